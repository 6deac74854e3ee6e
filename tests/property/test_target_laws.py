"""Laws of a lock of several targets: it is its parts, and gives each of them back."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import event, given
from hypothesis import strategies as st

from coral_lock.descriptor.load import load_descriptor
from coral_lock.finding import ERROR
from coral_lock.lockfile.model import Lock, offering_distributions
from coral_lock.lockfile.parts import narrowed_digests, part_of, with_tags
from coral_lock.lockfile.text import read_lock, write_lock
from coral_lock.locking.combination import combine
from coral_lock.names import base_id
from coral_lock.targets.model import Target, fits
from tests.property.strategies import locks, targets

DESCRIPTOR = load_descriptor(None)

locks_with_targets = locks(targets().filter(bool))
locks_without = locks(st.just(()))


def parts_of(lock: Lock) -> dict[str, Lock]:
    return {target.name: part_of(lock, target.name) for target in lock.targets}


@given(locks_with_targets)
def test_the_parts_of_a_lock_make_that_lock(lock: Lock) -> None:
    assert combine(parts_of(lock), lock.targets, DESCRIPTOR) == (lock, ())


@given(locks_with_targets)
def test_a_part_is_a_lock_without_targets(lock: Lock) -> None:
    for target in lock.targets:
        part = part_of(lock, target.name)
        assert part.targets == ()
        assert part.host.python == target.language_version
        assert read_lock(write_lock(part)) == part


@st.composite
def machines_parts(draw: st.DrawFn, lock: Lock) -> dict[str, Lock]:
    """The parts of a lock, each with some of the digests, as a target's wheels have them."""
    parts = {}
    for name, part in parts_of(lock).items():
        distributions = []
        for each in part.distributions:
            kept = draw(st.sets(st.sampled_from(sorted(each.digests)))) if each.digests else ()
            kept = kept or set(each.digests)
            distributions.append(with_tags(each, kept))
        parts[name] = part.replace(distributions=tuple(distributions))
    return parts


@given(locks_with_targets, st.data())
def test_a_lock_gives_its_parts_back_with_the_digests_of_all(
    lock: Lock, data: st.DataObject
) -> None:
    parts = data.draw(machines_parts(lock))
    combined, findings = combine(parts, lock.targets, DESCRIPTOR)
    assert combined is not None
    assert not findings
    assert_gives_back(combined, parts)


def assert_gives_back(combined: Lock, parts: Mapping[str, Lock]) -> None:
    for name, part in parts.items():
        given_back = part_of(combined, name)
        assert without_digests(given_back) == without_digests(part)
        for each in part.distributions:
            digests = given_back.distribution(each.name).digests
            assert digests.items() >= each.digests.items()
        assert narrowed_digests(given_back, part) == part


def without_digests(lock: Lock) -> Lock:
    return lock.replace(
        distributions=tuple(
            each.replace(digests={}, data_digests=None) for each in lock.distributions
        )
    )


def with_fitting_digests(lock: Lock, target: Target) -> Lock:
    """Return a lock whose digests are those of wheels that a target can have."""
    return lock.replace(
        distributions=tuple(
            with_tags(each, [tag for tag in each.digests if fits(tag, target)])
            if any(fits(tag, target) for tag in each.digests)
            else each.replace(digests={}, data_digests=None)
            for each in lock.distributions
        )
    )


def as_resolved(lock: Lock) -> Lock:
    """Return the lock with ids of `excluded` that name the distribution only if they have to."""
    offers = offering_distributions(lock.plugins, lock.excluded)
    return lock.replace(
        excluded=tuple(
            each.replace(id=base_id(each.id)) if len(offers[base_id(each.id)]) == 1 else each
            for each in lock.excluded
        )
    )


@given(locks_without.map(as_resolved), locks_without.map(as_resolved))
def test_any_two_parts_are_combined_or_it_is_said_what_keeps_them_apart(
    one: Lock, other: Lock
) -> None:
    both = (
        Target(name="one", python="3.10", platform="linux_aarch64"),
        Target(name="other", python="3.11.4", platform="linux_x86_64"),
    )
    others = other.replace(host=one.host.replace(python="3.11"), platform=one.platform)
    parts = {
        "one": with_fitting_digests(one.replace(host=one.host.replace(python="3.10")), both[0]),
        "other": with_fitting_digests(others, both[1]),
    }
    combined, findings = combine(parts, both, DESCRIPTOR)
    event("apart" if findings else "together")
    assert (combined is None) == bool(findings)
    assert all(finding.severity == ERROR for finding in findings)
    assert combine(dict(reversed(parts.items())), both[::-1], DESCRIPTOR) == (combined, findings)
    if combined is not None:
        assert_gives_back(combined, parts)


@given(locks(), locks())
def test_narrowing_keeps_digests_that_the_derived_lock_has_or_all(
    lock: Lock, derived: Lock
) -> None:
    narrowed = narrowed_digests(lock, derived)
    assert without_digests(narrowed) == without_digests(lock)
    assert narrowed_digests(narrowed, derived) == narrowed
    assert narrowed_digests(lock, lock) == lock
    tags = {each.name: each.digests.keys() for each in derived.distributions}
    for each in lock.distributions:
        kept = narrowed.distribution(each.name).digests
        assert kept.items() <= each.digests.items()
        assert kept == each.digests or kept.keys() == tags[each.name]
        assert bool(kept) == bool(each.digests)
