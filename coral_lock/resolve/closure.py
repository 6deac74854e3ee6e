"""The closure of requirements: which distributions a set of them needs, and what is unmet."""

from __future__ import annotations

from functools import lru_cache

from coral_lock.inventory import BrokenDistribution
from coral_lock.names import normalized_name
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.requirements import Requirement

    from coral_lock.inventory import Distribution, Inventory


NOTHING = "nothing"
NOT_PEP_508 = "a requirement that isn't PEP 508"

_LONGEST_REQUIREMENT = 4000
"""How many characters a requirement may have; longer ones would keep a parser busy."""


class Unmet(Record):
    """A requirement that isn't met.

    `found` is the version that is there, `nothing`, or why it can't be told.
    """

    distribution: str
    requirement: str
    found: str

    @property
    def is_there(self) -> bool:
        """Whether what is required is there, in a version that isn't what is required."""
        return self.found not in (NOTHING, NOT_PEP_508)


class Closure(Record):
    """What some distributions need.

    Args:
        edges: for each distribution of the closure the names that it requires and that are
            there, in whichever version, sorted.
        unmet: the requirements that aren't met, sorted.
        broken: the distributions of the closure that can't be used as they are.
    """

    edges: Mapping[str, tuple[str, ...]]
    unmet: tuple[Unmet, ...] = ()
    broken: tuple[BrokenDistribution, ...] = ()

    def reached_from(self, name: str) -> frozenset[str]:
        """Return the distributions that one of the closure needs, and itself."""
        waiting, reached = [name], {name}
        while waiting:
            for other in self.edges.get(waiting.pop(), ()):
                if other not in reached:
                    reached.add(other)
                    waiting.append(other)
        return frozenset(reached)


def closure_of(roots: Iterable[str], inventory: Inventory, provided: Mapping[str, str]) -> Closure:
    """Follow the requirements of distributions, evaluated for the inventory's environment.

    Markers and extras are PEP 508's; versions are compared as PEP 440 says, and a
    pre-release that is installed counts. What is there in a version that doesn't meet a
    requirement belongs to the closure all the same, as it is what will be imported.

    Args:
        roots: normalized names to start from, all of them in the inventory.
        inventory: where the required ones are.
        provided: versions of distributions that count as present without being there.
    """
    environment: Mapping[str, str] | None = None
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
        if not distribution.requires:
            continue
        if environment is None:
            environment = inventory.marker_environment()
        requirements, malformed = requirements_of(distribution, extra, environment)
        unmet.update((name, text[:200], NOT_PEP_508) for text in malformed)
        for requirement in requirements:
            required = normalized_name(requirement.name)
            found = _find(required, requirement, inventory, provided)
            if found is not None:
                unmet.add((name, str(requirement), found))
            if inventory.find(required) is not None:
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


def requirements_of(
    distribution: Distribution, extra: str, environment: Mapping[str, str]
) -> tuple[tuple[Requirement, ...], tuple[str, ...]]:
    """Return the requirements that hold for an extra, and those that aren't PEP 508.

    Args:
        distribution: whose `Requires-Dist` it is.
        extra: the extra, or an empty string for none.
        environment: the marker environment, without `extra`.
    """
    if not distribution.requires:
        return (), ()
    from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
    from packaging.requirements import InvalidRequirement

    requirements = []
    malformed = []
    for text in distribution.requires:
        if len(text) > _LONGEST_REQUIREMENT:
            malformed.append(text)
            continue
        try:
            requirement = _parsed(text)
            holds = requirement.marker is None or requirement.marker.evaluate(
                {**environment, "extra": extra}
            )
        except (
            InvalidRequirement,
            UndefinedComparison,
            UndefinedEnvironmentName,
            RecursionError,
            ValueError,
        ):
            malformed.append(text)
            continue
        if holds:
            requirements.append(requirement)
    return tuple(requirements), tuple(malformed)


@lru_cache(maxsize=1 << 16)
def _parsed(text: str) -> Requirement:
    from packaging.requirements import Requirement

    return Requirement(text)


def _find(
    name: str, requirement: Requirement, inventory: Inventory, provided: Mapping[str, str]
) -> str | None:
    """Return None if the requirement is met, else what was found instead."""
    distribution = inventory.find(name)
    if isinstance(distribution, BrokenDistribution):
        return None
    version = distribution.version if distribution else provided.get(name)
    if version is None:
        return NOTHING
    try:
        is_met = requirement.specifier.contains(version, prereleases=True)
    except ValueError:
        return f"{version}, which can't be compared as PEP 440 says"
    return None if is_met else version
