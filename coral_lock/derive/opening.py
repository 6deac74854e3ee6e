"""A place, opened: the inventories of its targets, from which a lock is derived."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from coral_lock.derive.place import Place
from coral_lock.descriptor.model import Descriptor
from coral_lock.errors import InputError, UsageError
from coral_lock.finding import Finding, finding_of_error, sorted_findings
from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.installed.site_scan import checked_directories, python_of
from coral_lock.inventory import EntryPoint, Inventory
from coral_lock.locking.discovery import Evidence, Probe
from coral_lock.plugin.facts import PluginFacts
from coral_lock.record import Record
from coral_lock.targets.machine import Machine, matching_target, parse_target, this_machine
from coral_lock.targets.model import Target

if TYPE_CHECKING:
    from coral_lock.resolver import Choice


WITHOUT_TARGET = ""
"""In place of a target's name where none is named."""

_IMAGE_NEVER_RUN = "an image of another machine is never run"
_WHEELS_NEVER_RUN = (
    "a wheel is never run: have it ship a manifest (`coral-runtime manifest compile`)"
)


class WantedTargets(Record):
    """The targets of a lock.

    Args:
        every: all targets of the lock, sorted by name.
        inspected: those that are inspected, sorted by name; all, unless some were named.
    """

    every: tuple[Target, ...]
    inspected: tuple[Target, ...]


def targets_of(place: Place, descriptor: Descriptor) -> WantedTargets:
    """Return the targets for which a place is inspected; none at all if none is named.

    Raises:
        InputError: the descriptor has no target of a name.
        UsageError: two targets have one name, or a target isn't well-formed.
    """
    declared = {target.name: target for target in descriptor.targets}
    found: dict[str, Target] = {}
    is_described = False
    for text in place.targets:
        parsed = parse_target(text)
        is_described |= isinstance(parsed, Target)
        target = parsed if isinstance(parsed, Target) else declared.get(parsed)
        if target is None:
            raise InputError(
                f"the descriptor has no target `{text}`",
                expected=", ".join(sorted(declared)) or "`targets` in the descriptor",
                hint=("use one of those, or" if declared else "use")
                + " `--target python=3.11,platform=linux_aarch64`",
            )
        if target.name in found:
            raise UsageError(
                f"two targets have the name `{target.name}`",
                hint="rename one: `--target name=…,python=…,platform=…`",
            )
        found[target.name] = target
    named = tuple(found[name] for name in sorted(found))
    return WantedTargets(
        every=named if is_described else descriptor.targets,
        inspected=named or descriptor.targets,
    )


class Opened(Record):
    """The inventories of a place.

    Args:
        targets: the targets of a lock of the whole place, sorted by name.
        inventories: by target name, `WITHOUT_TARGET` where there are no targets; only of
            the targets that are inspected. An environment is that of one target alone.
        evidence: what is known of distributions, and whether plugins may be run.
        findings: what is wrong with the place itself.
        choice: which versions were chosen, where there were several to choose from.
        notes: what a user may want to know and that changes nothing.
        knows_machine: whether requirements can be evaluated for the machine that is meant.
    """

    targets: tuple[Target, ...]
    inventories: Mapping[str, Inventory]
    evidence: Evidence
    findings: tuple[Finding, ...] = ()
    choice: Choice | None = None
    notes: tuple[str, ...] = ()
    knows_machine: bool = True


def open_place(
    place: Place,
    descriptor: Descriptor,
    *,
    allow_exec: bool,
    kept: Mapping[str, str],
    use_cache: bool = True,
    needs_target: bool = False,
) -> Opened:
    """Open a place.

    Args:
        place: where to look.
        descriptor: what this runtime should run, and on which targets.
        allow_exec: whether plugins may be run in a fresh interpreter to learn about them.
        kept: the versions to keep where there are several to choose from, by name.
        use_cache: whether the hashes of wheels may come from the cache.
        needs_target: whether requirements are evaluated, so that it has to be known for
            which machine a directory is.

    Raises:
        CoralLockError: the place can't be opened, or it isn't clear for which target.
    """
    wanted = targets_of(place, descriptor)
    if place.wheels:
        return _open_wheelhouse(place.wheels, wanted, descriptor, kept, use_cache)
    if place.site_packages:
        return _open_directories(place.site_packages, wanted, needs_target)
    if place.python is None:
        inventory, machine = EnvironmentInventory(), this_machine()
        probe = _probe_with(sys.executable, sys.path)
    else:
        from coral_lock.probe.interpreter import ask_interpreter

        found = ask_interpreter(place.python)
        inventory, machine = EnvironmentInventory(found.path, found.markers), found.machine
        probe = _probe_with(found.executable, found.path)
    return _open_environment(inventory, machine, wanted, Evidence(probe if allow_exec else None))


def _open_environment(
    inventory: Inventory, machine: Machine, wanted: WantedTargets, evidence: Evidence
) -> Opened:
    """Return an environment as the inventory of the target that its machine is."""
    targets = wanted.inspected
    target = matching_target(targets, machine)
    if target is not None or not targets:
        name = target.name if target else WITHOUT_TARGET
        return Opened(targets=wanted.every, inventories={name: inventory}, evidence=evidence)
    finding = Finding(
        code="target-uncovered",
        subject="targets",
        summary="no target matches this environment",
        expected=", ".join(map(str, targets)),
        found=str(machine),
        hint="lock from a wheelhouse with `--wheels DIR`, or add this machine to `targets`",
    )
    return Opened(targets=wanted.every, inventories={}, evidence=evidence, findings=(finding,))


def _probe_with(python: str, path: Sequence[str]) -> Probe:
    """Return the probe of an interpreter with that `sys.path`, imported when it is used."""

    def probe(entry_point: EntryPoint) -> tuple[PluginFacts, ...]:
        from coral_lock.probe.run import interpreter_probe

        return interpreter_probe(path, python)(entry_point)

    return probe


def _open_directories(
    directories: tuple[str, ...], wanted: WantedTargets, needs_target: bool
) -> Opened:
    # For the environment of this process none of it is imported.
    from coral_lock.targets.environment import environment_of, this_markers

    path = checked_directories(directories)
    targets = wanted.inspected
    if len(targets) != 1 and not needs_target:
        inventory = EnvironmentInventory(path, this_markers(), is_image=True)
        return Opened(
            targets=(),
            inventories={WITHOUT_TARGET: inventory},
            evidence=Evidence(no_probe=_IMAGE_NEVER_RUN),
            knows_machine=False,
        )
    if len(targets) != 1:
        names = ", ".join(target.name for target in targets)
        raise UsageError(
            "the target of a directory can't be detected",
            expected=f"one of the targets {names}" if targets else "a target",
            hint="pass `--target NAME`"
            if targets
            else "pass `--target python=3.10,platform=manylinux_2_31_aarch64`, or add it to the "
            "descriptor's `targets`",
        )
    (target,) = targets
    python = python_of(path)
    if python not in (None, target.language_version):
        raise InputError(
            f"the directory is for another Python than the target `{target.name}`",
            expected=f"Python {target.language_version}",
            found=f"Python {python}, by its path",
            where=path[0],
            hint="pass the directory of that target, or the target of that directory",
        )
    inventory = EnvironmentInventory(path, environment_of(target).markers, is_image=True)
    return Opened(
        targets=wanted.every,
        inventories={target.name: inventory},
        evidence=Evidence(no_probe=_IMAGE_NEVER_RUN),
    )


def _open_wheelhouse(
    directories: Sequence[str],
    wanted: WantedTargets,
    descriptor: Descriptor,
    kept: Mapping[str, str],
    use_cache: bool,
) -> Opened:
    """Open directories of wheels for targets, or for this interpreter where none is named.

    Raises:
        InputError: a directory can't be used.
    """
    # What is installed is locked without a resolver.
    from coral_lock.resolver import choose
    from coral_lock.targets.environment import environment_of, this_environment
    from coral_lock.wheels.listing import FETCH, FILL
    from coral_lock.wheels.wheelhouse import WheelCache, Wheelhouse, WheelhouseView

    cache = WheelCache() if use_cache else None
    if_empty = FETCH if kept else FILL
    wheelhouse = Wheelhouse(directories, cache=cache, if_empty=if_empty)
    environments = {target.name: environment_of(target) for target in wanted.every}
    environments = environments or {WITHOUT_TARGET: this_environment()}
    views = {name: WheelhouseView(wheelhouse, each) for name, each in environments.items()}
    evidence = Evidence(no_probe=_WHEELS_NEVER_RUN)
    choice = choose(views, descriptor, kept=kept, evidence=evidence)
    # Files that can't even be attributed to a distribution.
    unreadable = {
        finding_of_error(error, error.code, os.path.basename(error.where or "wheels"))
        for error in wheelhouse.broken
    }
    problem = cache.problem if cache else None
    return Opened(
        targets=wanted.every,
        inventories={
            name: views[name].chosen(choice.by_target[name])
            for name in [target.name for target in wanted.inspected] or [WITHOUT_TARGET]
        },
        findings=sorted_findings({*unreadable, *choice.findings}),
        choice=choice,
        evidence=evidence,
        notes=(f"every wheel is hashed again: {problem}",) if problem else (),
    )
