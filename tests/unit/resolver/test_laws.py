"""The laws of choosing, on small random universes, against trying every choice there is."""

from __future__ import annotations

import itertools
import random
from collections.abc import Collection, Iterator, Mapping
from functools import cache

from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from coral_lock.descriptor.model import DISCOVER_LISTED, Descriptor
from coral_lock.finding import Finding, has_errors
from coral_lock.lockfile.model import Lock
from coral_lock.locking.resolution import resolve, survey
from coral_lock.resolver import Choice, choose

from .universe import MARKERS, PYTHON, Wheel, descriptor, sources, wheel

LIBRARIES = ("lib-a", "lib-b", "lib-c")
PLUGINS = ("acme-a", "acme-b")
VERSIONS = ("1.0", "2.0", "3.0")
TARGETS = ("one", "two")
SPECIFIERS = ("", "", "==1.0", "==2.0", "<2", "<3", ">=2", ">=3", "!=2.0", ">=4")
SUFFIXES = ("", "", "", '; extra == "more"', '; python_version < "3.11"')
EXTRAS = ("", "", "", "[more]")
PYTHONS = (None, None, None, None, ">=3.11", "<3.11")
OLD = {"two": "3.10.0"}
"""The target of another Python than the usual one."""


def _label(name: str) -> str:
    return f"patches:{name.removeprefix('acme-')}"


required_names = st.lists(st.sampled_from((*LIBRARIES, *PLUGINS)), max_size=3)
chosen_versions = st.lists(st.sampled_from(VERSIONS), unique=True, max_size=3)


def requirements(draw: st.DrawFn, own: str) -> list[str]:
    found = []
    for name in draw(required_names):
        if name != own:
            found.append(
                name
                + draw(st.sampled_from(EXTRAS))
                + draw(st.sampled_from(SPECIFIERS))
                + draw(st.sampled_from(SUFFIXES))
            )
    return found


@st.composite
def universes(draw: st.DrawFn, *, has_targets: bool = False) -> list[Wheel]:
    wheels = []
    for name in (*LIBRARIES, *PLUGINS):
        for version in draw(chosen_versions):
            fits = [*TARGETS]
            if has_targets and draw(st.integers(0, 4)) == 0:
                fits = [draw(st.sampled_from(TARGETS))]
            wheels.append(
                wheel(
                    f"{name} {version}",
                    *requirements(draw, name),
                    plugins=[_label(name)] if name in PLUGINS else [],
                    targets=fits if has_targets else None,
                    python=draw(st.sampled_from(PYTHONS)) if has_targets else None,
                )
            )
    return wheels


def asked_of(wheels: list[Wheel]) -> Descriptor:
    names = sorted({each.name for each in wheels} & set(PLUGINS))
    return descriptor(*map(_label, names), discover=DISCOVER_LISTED)


def chosen(
    wheels: list[Wheel],
    wanted: Descriptor,
    kept: Mapping[str, str] | None = None,
    targets: tuple[str, ...] = ("",),
) -> tuple[Choice, list[tuple[Lock | None, tuple[Finding, ...]]]]:
    there = sources(*wheels, targets=targets, pythons=OLD)
    choice = choose(there, wanted, kept=kept or {})
    resolutions = [
        resolve(survey(there[target].chosen(choice.by_target[target]), wanted))
        for target in targets
    ]
    return choice, resolutions


requirement_of = cache(Requirement)


@cache
def is_among(version: str, specifiers: str) -> bool:
    return SpecifierSet(specifiers).contains(version)


def is_solution(
    versions: Mapping[str, Wheel | None], wanted: Collection[str], targets: tuple[str, ...]
) -> bool:
    """Whether everything that is needed is there, on each target, in a version that does."""
    return serves(versions, [(name, target) for name in wanted for target in targets])


def serves(versions: Mapping[str, Wheel | None], wanted: Collection[tuple[str, str]]) -> bool:
    """Whether what is needed for some distributions, each on a target, is there."""
    for target in {target for _, target in wanted}:
        full = OLD.get(target, PYTHON)
        markers = {
            **MARKERS,
            "python_full_version": full,
            "python_version": full.rpartition(".")[0],
        }
        waiting = [(name, "", "") for name, other in wanted if other == target]
        seen = set()
        while waiting:
            name, extra, specifier = waiting.pop()
            there = versions.get(name)
            if there is None or (there.targets is not None and target not in there.targets):
                return False
            if there.python is not None and not is_among(full, there.python):
                return False
            if not is_among(there.version, specifier):
                return False
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for text in there.requires:
                requirement = requirement_of(text)
                if requirement.marker is None or requirement.marker.evaluate(
                    {**markers, "extra": extra}
                ):
                    for other in ("", *requirement.extras):
                        waiting.append((requirement.name, other, str(requirement.specifier)))
    return True


def every_choice(wheels: list[Wheel]) -> Iterator[Mapping[str, Wheel | None]]:
    by_name: dict[str, list[Wheel | None]] = {}
    for each in wheels:
        by_name.setdefault(each.name, []).append(each)
    for combination in itertools.product(*by_name.values()):
        yield dict(zip(by_name, combination))


@given(universes())
def test_a_choice_is_found_where_there_is_one(wheels: list[Wheel]) -> None:
    wanted = asked_of(wheels)
    names = [f"acme-{request.name}" for request in wanted.requests]
    exists = any(is_solution(versions, names, ("",)) for versions in every_choice(wheels))
    choice, ((lock, _),) = chosen(wheels, wanted)
    assert (lock is not None) is exists
    assert not (has_errors(choice.findings) and exists)


@given(universes(has_targets=True))
def test_one_choice_serves_all_targets(wheels: list[Wheel]) -> None:
    wanted = asked_of(wheels)
    names = [f"acme-{request.name}" for request in wanted.requests]
    exists = any(is_solution(versions, names, TARGETS) for versions in every_choice(wheels))
    choice, resolutions = chosen(wheels, wanted, targets=TARGETS)
    assert all(lock is not None for lock, _ in resolutions) is exists
    assert not (has_errors(choice.findings) and exists)


@given(universes(has_targets=True), st.randoms(use_true_random=False))
def test_the_order_of_the_wheels_never_matters(
    wheels: list[Wheel], shuffler: random.Random
) -> None:
    shuffled = list(wheels)
    shuffler.shuffle(shuffled)
    wanted = asked_of(wheels)
    first, _ = chosen(wheels, wanted, targets=TARGETS)
    second, _ = chosen(shuffled, wanted, targets=tuple(reversed(TARGETS)))
    assert first == second
    for name in first.versions:
        assert list(first.considered(name).items()) == list(second.considered(name).items())


@given(universes())
def test_a_choice_is_kept_as_it_is(wheels: list[Wheel]) -> None:
    wanted = asked_of(wheels)
    first, ((lock, _),) = chosen(wheels, wanted)
    if lock is None:
        return
    second, _ = chosen(wheels, wanted, kept=first.versions)
    assert second.versions == first.versions
    assert second.findings == first.findings


@given(universes())
def test_what_is_chosen_is_as_new_as_the_rest_allows(wheels: list[Wheel]) -> None:
    wanted = asked_of(wheels)
    names = [f"acme-{request.name}" for request in wanted.requests]
    choice, ((lock, _),) = chosen(wheels, wanted)
    if lock is None:
        return
    there = {(each.name, each.version): each for each in wheels}
    taken = {name: there[name, version] for name, version in choice.versions.items()}
    for locked in lock.distributions:
        for version in VERSIONS:
            newer = there.get((locked.name, version))
            if newer is not None and version > locked.version:
                assert not is_solution({**taken, locked.name: newer}, names, ("",))


@given(universes())
def test_where_there_is_no_choice_the_result_is_that_of_an_environment(
    wheels: list[Wheel],
) -> None:
    only = list({each.name: each for each in wheels}.values())
    wanted = asked_of(only)
    choice, ((lock, findings),) = chosen(only, wanted)
    (source,) = sources(*only).values()
    everything = {each.name: each.version for each in only}
    assert has_errors(choice.findings) is (lock is None)
    assert (lock, findings) == resolve(survey(source.chosen(everything), wanted))


@given(universes(has_targets=True))
def test_a_target_has_what_it_has_alone_where_the_versions_agree(wheels: list[Wheel]) -> None:
    wanted = descriptor()
    joint, parts = chosen(wheels, wanted, targets=TARGETS)
    for target, (part, _) in zip(TARGETS, parts):
        alone, ((single, _),) = chosen(wheels, wanted, targets=(target,))
        if part is None or single is None:
            continue
        here = joint.by_target[target]
        if here == alone.by_target[target]:
            assert part.plugins == single.plugins
            assert part.distributions == single.distributions


@given(universes(has_targets=True), st.sampled_from([(), ("acme-a",), ("acme-b",)]))
def test_no_optional_plugin_is_left_out_that_could_be_there(
    wheels: list[Wheel], firm: tuple[str, ...]
) -> None:
    names = {each.name for each in wheels} & set(PLUGINS)
    optional = sorted(names - set(firm))
    wanted = descriptor(
        *map(_label, sorted(names & set(firm))),
        optional=[*map(_label, optional)],
        discover=DISCOVER_LISTED,
    )
    choices = list(every_choice(wheels))
    needed = [(name, target) for name in sorted(names & set(firm)) for target in TARGETS]
    exists = any(serves(versions, needed) for versions in choices)
    choice, parts = chosen(wheels, wanted, targets=TARGETS)
    assert all(part is not None for part, _ in parts) is exists
    if not exists:
        return
    for name in optional:
        for target in TARGETS:
            attempt = [*needed, (name, target)]
            if any(serves(versions, attempt) for versions in choices):
                needed = attempt
    locked = {
        (plugin.distribution, target)
        for target, (part, _) in zip(TARGETS, parts)
        for plugin in (part.plugins if part else ())
    }
    assert locked == set(needed)
    assert not has_errors(choice.findings)
    left_out = {(name, target) for name in optional for target in TARGETS} - locked
    excluded = {
        (each.distribution, target)
        for target, (part, _) in zip(TARGETS, parts)
        for each in (part.excluded if part else ())
    }
    assert excluded <= left_out
