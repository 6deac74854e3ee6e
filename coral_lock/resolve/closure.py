"""The closure of requirements: which distributions a set of them needs, and what is unmet."""

from __future__ import annotations

from coral_lock.inventory import BrokenDistribution
from coral_lock.names import normalized_name
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.requirements import Requirement

    from coral_lock.inventory import Distribution, Inventory


class Unmet(Record):
    """A requirement that isn't met.

    `found` is the version that is there, `nothing`, or why it can't be told.
    """

    distribution: str
    requirement: str
    found: str


class Closure(Record):
    """What some distributions need.

    Args:
        edges: for each distribution of the closure the names it requires, sorted.
        unmet: the requirements that aren't met, sorted.
        broken: the distributions of the closure that can't be used as they are.
    """

    edges: Mapping[str, tuple[str, ...]]
    unmet: tuple[Unmet, ...]
    broken: tuple[BrokenDistribution, ...]


def closure_of(roots: Iterable[str], inventory: Inventory, provided: Mapping[str, str]) -> Closure:
    """Follow the requirements of distributions, evaluated for the inventory's environment.

    Markers and extras are PEP 508's; versions are compared as PEP 440 says, and a
    pre-release that is installed counts.

    Args:
        roots: normalized names to start from, all of them in the inventory.
        inventory: where the required ones are.
        provided: versions of distributions that count as present without being there.
    """
    waiting = [(root, "") for root in sorted(roots)]
    seen = set(waiting)
    edges: dict[str, set[str]] = {}
    unmet: set[tuple[str, str, str]] = set()
    broken: dict[str, BrokenDistribution] = {}
    while waiting:
        name, extra = waiting.pop()
        distribution = inventory.find(name)
        if isinstance(distribution, BrokenDistribution):
            broken[name] = distribution
            continue
        if distribution is None:
            continue
        edges.setdefault(name, set())
        for requirement in _requirements(distribution, extra, inventory, unmet):
            required = normalized_name(requirement.name)
            found = _find(required, requirement, inventory, provided)
            if found is not None:
                unmet.add((name, str(requirement), found))
            elif inventory.find(required) is not None:
                edges[name].add(required)
                for key in [(required, ""), *((required, other) for other in requirement.extras)]:
                    if key not in seen:
                        seen.add(key)
                        waiting.append(key)
    return Closure(
        edges={name: tuple(sorted(edges[name])) for name in sorted(edges)},
        unmet=tuple(
            Unmet(distribution=name, requirement=requirement, found=found)
            for name, requirement, found in sorted(unmet)
        ),
        broken=tuple(broken[name] for name in sorted(broken)),
    )


def _requirements(
    distribution: Distribution,
    extra: str,
    inventory: Inventory,
    unmet: set[tuple[str, str, str]],
) -> list[Requirement]:
    """Return the requirements that hold for an extra (or for none) in the environment."""
    if not distribution.requires:
        return []
    from packaging.markers import UndefinedComparison
    from packaging.requirements import InvalidRequirement, Requirement

    environment = {**inventory.marker_environment(), "extra": extra}
    requirements = []
    for text in distribution.requires:
        try:
            requirement = Requirement(text)
            holds = requirement.marker is None or requirement.marker.evaluate(environment)
        except (InvalidRequirement, UndefinedComparison, RecursionError, ValueError):
            unmet.add((distribution.name, text[:200], "a requirement that isn't PEP 508"))
            continue
        if holds:
            requirements.append(requirement)
    return requirements


def _find(
    name: str, requirement: Requirement, inventory: Inventory, provided: Mapping[str, str]
) -> str | None:
    """Return None if the requirement is met, else what was found instead."""
    distribution = inventory.find(name)
    if isinstance(distribution, BrokenDistribution):
        return None
    version = distribution.version if distribution else provided.get(name)
    if version is None:
        return "nothing"
    try:
        is_met = requirement.specifier.contains(version, prereleases=True)
    except ValueError:
        return f"{version}, which can't be compared as PEP 440 says"
    return None if is_met else version
