"""Two branches of a lock's history: random edits of single plugins, and git's merge of them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from random import Random

from coral_lock.lockfile.entries import Host, HostPackage, LockedDistribution, LockedPlugin
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.text import write_lock
from coral_lock.targets.model import Target

TAG = "py3-none-any"
SHARED = "numpy"
ANCHOR = "patches:plugin_000"
ADD, EDIT, REMOVE = "add", "edit", "remove"
TARGETS = (
    Target(name="jetson", python="3.10", platform="manylinux_2_31_aarch64"),
    Target(name="server", python="3.11", platform="manylinux_2_28_x86_64"),
)


def digest(random: Random) -> str:
    """Return a random `t1` digest."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return "t1:" + "".join(random.choices(alphabet, k=43)) + "="


Unit = tuple[LockedPlugin, LockedDistribution]


def unit(number: int, random: Random, targets: Sequence[Target] = ()) -> Unit:
    """Return a plugin and the distribution that provides it; both sort by `number`."""
    made = _unit(number, random)
    return for_some(made, random, targets) if targets and random.random() < 0.5 else made


def for_some(made: Unit, random: Random, targets: Sequence[Target]) -> Unit:
    """Return a unit of which more or less is for one of the targets alone."""
    plugin, distribution = made
    scope = (random.choice(targets).name,)
    kind = random.choice(["requires", "plugin", "both"])
    if kind == "requires":
        return (
            plugin.replace(targets=()),
            distribution.replace(requires=(), target_requires={scope[0]: (SHARED,)}, targets=()),
        )
    return (
        plugin.replace(targets=scope),
        distribution.replace(target_requires={}, targets=scope if kind == "both" else ()),
    )


def _unit(number: int, random: Random) -> Unit:
    return (
        LockedPlugin(
            id=f"patches:plugin_{number:03}",
            distribution=f"dist-{number:03}",
            entry_point=f"dist_{number:03}.plugins:register",
            description=f"Does the {number}th thing",
            min_core_version=random.choice([None, "0.0.4"]),
            min_inference_version=random.choice([None, "0.9.0"]),
            optional=random.random() < 0.2,
        ),
        LockedDistribution(
            name=f"dist-{number:03}",
            version=f"1.{random.randrange(4)}.0",
            digests={TAG: digest(random)},
            requires=(SHARED,) if random.random() < 0.3 else (),
        ),
    )


def base_lock(numbers: list[int], random: Random, targets: tuple[Target, ...] = ()) -> Lock:
    """Return a lock of the units with these numbers, unit 0 and one shared dependency.

    Units with other numbers than 0 may be for one of the targets alone.
    """
    units = [_unit(0, random), *(unit(number, random, targets) for number in numbers)]
    shared = LockedDistribution(name=SHARED, version="2.0", digests={TAG: digest(random)})
    return Lock(
        platform="rknn",
        host=Host(
            core=HostPackage(distribution="coral-inference", version="0.0.4"),
            inference=HostPackage(distribution="inference", version="0.58.0"),
            python=None if targets else "3.11",
        ),
        targets=targets,
        plugins=tuple(plugin for plugin, _ in units),
        distributions=(*(distribution for _, distribution in units), shared),
    )


def with_unit(lock: Lock, plugin: LockedPlugin, distribution: LockedDistribution) -> Lock:
    """Return the lock with a unit added, or put in place of the one that was there."""
    plugins, distributions = _without(lock, plugin.id)
    return lock.replace(plugins=(*plugins, plugin), distributions=(*distributions, distribution))


def without_unit(lock: Lock, identifier: str) -> Lock:
    """Return the lock without a plugin and its distribution."""
    plugins, distributions = _without(lock, identifier)
    return lock.replace(plugins=plugins, distributions=distributions)


def _without(
    lock: Lock, identifier: str
) -> tuple[tuple[LockedPlugin, ...], tuple[LockedDistribution, ...]]:
    names = {plugin.distribution for plugin in lock.plugins if plugin.id == identifier}
    return (
        tuple(plugin for plugin in lock.plugins if plugin.id != identifier),
        tuple(item for item in lock.distributions if item.name not in names),
    )


def edited(lock: Lock, operation: str, number: int, seed: int) -> Lock:
    """Return the lock after one operation on the unit with that number.

    The same seed does the same to any lock, so that an edit of a branch can be repeated on
    top of another branch.
    """
    random = Random(seed)
    plugin, distribution = unit(number, random, lock.targets)
    if operation == REMOVE:
        return without_unit(lock, plugin.id)
    if operation == ADD:
        return with_unit(lock, plugin, distribution)
    plugin = next(item for item in lock.plugins if item.id == plugin.id)
    old = lock.distribution(plugin.distribution)
    kinds = ["upgrade", "optional", "entry point", "requires", "after"]
    kind = random.choice([*kinds, "targets"] if lock.targets else kinds)
    if kind == "upgrade":
        old = old.replace(version=f"2.{random.randrange(9)}.0", digests={TAG: digest(random)})
        plugin = plugin.replace(description="Does it better", min_core_version="0.0.5")
    elif kind == "optional":
        plugin = plugin.replace(optional=not plugin.optional)
    elif kind == "entry point":
        plugin = plugin.replace(entry_point=f"dist_{number:03}.moved:register")
    elif kind == "requires":
        is_required = old.requires or old.target_requires
        old = old.replace(requires=() if is_required else (SHARED,), target_requires={})
    elif kind == "targets":
        plugin, old = for_some((plugin, old), random, lock.targets)
    else:
        plugin = plugin.replace(after=() if plugin.after else (ANCHOR,))
    return with_unit(lock, plugin, old)


def merged(base: Lock, ours: Lock, theirs: Lock, directory: Path, *options: str) -> str | None:
    """Return what `git merge-file` makes of three locks; None if they conflict."""
    names = []
    for name, lock in (("ours", ours), ("base", base), ("theirs", theirs)):
        path = directory / name
        path.write_text(write_lock(lock), encoding="utf-8", newline="")
        names.append(str(path))
    result = subprocess.run(
        ["git", "merge-file", "-p", "-q", *options, *names], capture_output=True, check=False
    )
    assert 0 <= result.returncode < 128, result.stderr
    return None if result.returncode else result.stdout.decode()
