"""Whether a lock, or a target's part of it, is what would be derived now."""

from __future__ import annotations

import pytest

from coral_lock.derive.locking import Derivation, Freshness, freshness_of
from coral_lock.derive.opening import Opened
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.parts import part_of
from coral_lock.locking.discovery import Evidence
from coral_lock.targets.model import Target
from tests.support.locks import (
    ARM_TAG,
    JETSON,
    SERVER,
    X86_TAG,
    digest_of,
    lock_of_targets,
    sample_lock,
)

NANO = Target(name="nano", python="3.12", platform="linux_riscv64")
OWN_TAG = {JETSON: ARM_TAG, SERVER: X86_TAG}


def whole(lock: Lock) -> Derivation:
    opened = Opened(targets=lock.targets, inventories={}, evidence=Evidence())
    return Derivation(opened=opened, lock=lock, parts={"": lock}, findings=())


def on_machine(part: Lock, target: str, targets: tuple[Target, ...]) -> Derivation:
    """What an environment comes to that is one of several targets."""
    return looked_at({target: part}, targets)


def looked_at(parts: dict[str, Lock], targets: tuple[Target, ...]) -> Derivation:
    """What comes of some of several targets."""
    opened = Opened(targets=targets, inventories={}, evidence=Evidence())
    return Derivation(opened=opened, lock=None, parts=parts, findings=())


def installed(lock: Lock, target: str) -> Lock:
    """A target's part as it would be derived there: with the digests of its own wheels."""
    part = part_of(lock, target)
    return part.replace(
        distributions=tuple(
            each.replace(digests={OWN_TAG[target]: each.digests[OWN_TAG[target]]})
            if OWN_TAG[target] in each.digests
            else each
            for each in part.distributions
        )
    )


def codes(freshness: Freshness) -> list[tuple[str, str]]:
    return [(change.code, change.subject) for change in freshness.changes]


@pytest.mark.parametrize("lock", [sample_lock(), lock_of_targets()])
def test_a_whole_lock(lock: Lock) -> None:
    fresh = freshness_of(lock, whole(lock))
    assert fresh == Freshness(changes=())
    assert fresh.is_fresh
    stale = freshness_of(lock, whole(lock.replace(platform="onnx")))
    assert codes(stale) == [("platform-changed", "platform")]
    assert (stale.is_fresh, stale.parts) == (False, ())


@pytest.mark.parametrize(("target", "other"), [(JETSON, SERVER), (SERVER, JETSON)])
def test_the_part_of_one_target(target: str, other: str) -> None:
    lock = lock_of_targets()
    derived = installed(lock, target)
    fresh = freshness_of(lock, on_machine(derived, target, lock.targets))
    assert fresh == Freshness(changes=(), parts=(target,), unchecked=(other,))

    (package, *rest) = derived.distributions
    upgraded = derived.replace(distributions=(package.replace(version="1.1.0"), *rest))
    stale = freshness_of(lock, on_machine(upgraded, target, lock.targets))
    assert codes(stale) == [("version-upgraded", "my-package")]
    assert (stale.parts, stale.unchecked) == ((target,), (other,))


def test_a_change_of_another_targets_part_is_not_seen() -> None:
    lock = lock_of_targets()
    rknn = lock.distribution("rknn-backend")
    others = tuple(each for each in lock.distributions if each is not rknn)
    changed = lock.replace(distributions=(*others, rknn.replace(version="9")))
    derived = installed(changed, SERVER)
    assert freshness_of(lock, on_machine(derived, SERVER, lock.targets)).is_fresh
    derived = installed(changed, JETSON)
    assert not freshness_of(lock, on_machine(derived, JETSON, lock.targets)).is_fresh


def test_a_wheel_tag_that_the_lock_lacks() -> None:
    lock = lock_of_targets()
    derived = installed(lock, JETSON)
    numpy = derived.distribution("numpy").replace(digests={"py3-none-any": digest_of("Z")})
    others = tuple(each for each in derived.distributions if each.name != "numpy")
    changed = derived.replace(distributions=(*others, numpy))
    stale = freshness_of(lock, on_machine(changed, JETSON, lock.targets))
    assert codes(stale) == [("digest-added", "numpy"), ("digest-removed", "numpy")]


def test_other_targets_are_all_that_counts() -> None:
    """Without the same targets no part can be told to be the machine's."""
    lock = lock_of_targets()
    jetson, server = lock.targets
    derived = installed(lock, JETSON).replace(platform="onnx")
    for targets, expected in (
        ((jetson, NANO), [("target-added", "nano"), ("target-removed", SERVER)]),
        ((jetson, NANO, server), [("target-added", "nano")]),
        ((jetson, server.replace(python="3.12")), [("target-changed", SERVER)]),
    ):
        stale = freshness_of(lock, on_machine(derived, JETSON, targets))
        assert codes(stale) == expected
        assert (stale.parts, stale.unchecked) == ((), ())


def test_a_lock_without_targets_gets_some() -> None:
    lock, targets = sample_lock(), lock_of_targets().targets
    derived = installed(lock_of_targets(), JETSON)
    assert codes(freshness_of(lock, on_machine(derived, JETSON, targets))) == [
        ("python-changed", "host.python"),
        ("target-added", JETSON),
        ("target-added", SERVER),
    ]


def lock_of_three() -> Lock:
    lock = lock_of_targets()
    package, numpy, backend = lock.distributions
    digests = {**numpy.digests, "cp312-cp312-linux_riscv64": digest_of("E")}
    return lock.replace(
        targets=(*lock.targets, NANO),
        distributions=(package, numpy.replace(digests=digests), backend),
    )


def test_the_parts_of_some_targets() -> None:
    """What changed for several of them is told once, below the distribution that it concerns."""
    lock = lock_of_three()
    parts = {target: installed(lock, target) for target in (SERVER, JETSON)}
    fresh = freshness_of(lock, looked_at(parts, lock.targets))
    assert fresh == Freshness(changes=(), parts=(JETSON, SERVER), unchecked=("nano",))

    upgraded = {name: part.replace(platform="onnx") for name, part in parts.items()}
    for name, distribution in ((JETSON, "rknn-backend"), (SERVER, "my-package")):
        part = upgraded[name]
        changed = part.distribution(distribution).replace(version="9")
        others = tuple(each for each in part.distributions if each.name != distribution)
        upgraded[name] = part.replace(distributions=(*others, changed))
    stale = freshness_of(lock, looked_at(upgraded, lock.targets))
    assert codes(stale) == [
        ("version-upgraded", "my-package"),
        ("version-upgraded", "rknn-backend"),
        ("platform-changed", "platform"),
    ]


def test_a_plugin_that_is_new_for_several_targets_is_told_once() -> None:
    lock = lock_of_three().replace(plugins=())
    camera = sample_lock().plugins[1].replace(after=())
    parts = {
        target: installed(lock, target).replace(plugins=(camera,)) for target in (JETSON, SERVER)
    }
    stale = freshness_of(lock, looked_at(parts, lock.targets))
    assert codes(stale) == [("plugin-added", "patches:camera_stabilizer")]
