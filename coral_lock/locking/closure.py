"""The closure of requirements: which distributions a set of them needs, and what is unmet."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from packaging.specifiers import SpecifierSet

from coral_lock.errors import InputError
from coral_lock.finding import Finding
from coral_lock.inventory import BrokenDistribution, Inventory
from coral_lock.lockfile.entries import Host
from coral_lock.names import normalized_name
from coral_lock.record import Record

# Its parser and its markers take longer to import than all requirements of an environment to be
# followed, and most are plain.
if TYPE_CHECKING:
    from packaging.requirements import Requirement

NOTHING = "nothing"
NOT_PEP_508 = "a requirement that isn't PEP 508"

_LONGEST_REQUIREMENT = 4000
"""How many characters a requirement may have; longer ones would keep a parser busy."""

_MAX_EVALUATED = 1 << 26
"""How many characters of markers are evaluated for a distribution; some seconds."""

_EXTRA = r'\bextra == "([^"]*)"'

_CLAUSE = r"(?:(?:[=!<>]=|[<>]) *[0-9]+(?:\.[0-9]+)*|~= *[0-9]+(?:\.[0-9]+)+)"
_PLAIN = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
    rf"(?: *(?P<specifier>{_CLAUSE}(?: *, *{_CLAUSE})*))?"
)
"""A requirement on releases of a distribution, with neither extras nor a marker."""

PROGRAM = ""
"""In place of a distribution's name: the program itself."""


class Unmet(NamedTuple):
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

    @property
    def remedy(self) -> str:
        """What helps: to report it, or to add what is required."""
        if self.found == NOT_PEP_508:
            return f"report it to the authors of `{self.distribution}`"
        return "add a version that meets it"

    def reason(self, name: str) -> str:
        """Return why a distribution can't be used, as locks say it: without any place."""
        needs = f"needs `{self.distribution}`, which " if self.distribution != name else ""
        if self.found == NOT_PEP_508:
            return f"{needs}has a requirement that isn't PEP 508"
        return f"{needs}requires `{self.requirement}`, which isn't met"

    def finding(self, severity: str, hint: str) -> Finding:
        """Return the finding for it."""
        return Finding(
            code="requirement-unmet",
            severity=severity,
            subject=self.distribution or "program",
            summary=(f"`{self.distribution}`" if self.distribution else "the program")
            + f" requires `{self.requirement}`, found {self.found}",
            expected=self.requirement,
            found=self.found,
            hint=hint,
        )


class PlainRequirement(Record):
    """A requirement that says no more than which releases of a distribution meet it.

    It is what `packaging.requirements.Requirement` is of the same text.
    """

    text: str
    name: str
    specifier: SpecifierSet
    extras: frozenset[str] = frozenset()
    marker: None = None
    url: None = None

    def __str__(self) -> str:
        from packaging.requirements import Requirement

        return str(Requirement(self.text))


AnyRequirement: TypeAlias = "Requirement | PlainRequirement"


class Closure(Record):
    """What some distributions need.

    Args:
        edges: for each distribution of the closure the names that it requires and that are
            there, in whichever version, sorted.
        program: likewise the names that the program itself requires.
        unmet: the requirements that aren't met, sorted.
        broken: the distributions of the closure that can't be used as they are.
    """

    edges: Mapping[str, tuple[str, ...]]
    program: tuple[str, ...] = ()
    unmet: tuple[Unmet, ...] = ()
    broken: tuple[BrokenDistribution, ...] = ()

    def reached_from(self, name: str) -> frozenset[str]:
        """Return the distributions that one of the closure needs, and itself."""
        waiting, reached = [name], {name}
        for each in waiting:
            further = set(self.edges.get(each, ())) - reached
            reached |= further
            waiting += further
        return frozenset(reached)


def closure_of(
    roots: Iterable[str],
    inventory: Inventory,
    host: Host,
    program_requires: tuple[str, ...] = (),
) -> Closure:
    """Follow the requirements of distributions, evaluated for the inventory's environment.

    Markers and extras are PEP 508's; versions are compared as PEP 440 says, and a
    pre-release that is installed counts. What is there in a version that doesn't meet a
    requirement belongs to the closure all the same, as it is what will be imported.

    Args:
        roots: normalized names to start from, all of them in the inventory.
        inventory: where the required ones are.
        host: its versions count as present without being there.
        program_requires: what the program itself requires (PEP 508).
    """
    provided = {package.distribution: package.version for package in host.packages()}
    waiting = [(root, "") for root in sorted(roots)]
    if program_requires:
        waiting.append((PROGRAM, ""))
    environment = cache(inventory.marker_environment)
    seen = set(waiting)
    edges: dict[str, set[str]] = {}
    unmet: set[Unmet] = set()
    broken: dict[str, BrokenDistribution] = {}
    required_by: dict[str, RequirementsOf] = {}
    while waiting:
        name, extra = waiting.pop()
        distribution = None if name == PROGRAM else inventory.find(name)
        if isinstance(distribution, BrokenDistribution):
            broken[name] = distribution
            continue
        edges.setdefault(name, set())
        if name not in required_by:
            requires = distribution.requires if distribution else program_requires
            required_by[name] = RequirementsOf(name, requires, environment)
            malformed = required_by[name].malformed
            unmet.update(Unmet(name, text[:200], NOT_PEP_508) for text in malformed)
        for requirement in required_by[name].of(extra):
            required = normalized_name(requirement.name)
            found = _find(required, requirement, inventory, provided)
            if found is not None:
                unmet.add(Unmet(name, str(requirement), found))
            if inventory.find(required) is not None:
                edges[name].add(required)
                for key in [(required, ""), *((required, other) for other in requirement.extras)]:
                    if key not in seen:
                        seen.add(key)
                        waiting.append(key)
    of_program = edges.pop(PROGRAM, set())
    return Closure(
        edges={name: tuple(sorted(edges[name])) for name in sorted(edges)},
        program=tuple(sorted(of_program)),
        unmet=tuple(sorted(unmet)),
        broken=tuple(broken[name] for name in sorted(broken)),
    )


class RequirementsOf:
    """What a distribution requires in an environment, evaluated once for each extra.

    Args:
        name: the distribution's, for messages.
        requires: its `Requires-Dist`.
        environment: yields the marker environment, without `extra`, if a marker asks for it.

    Attributes:
        malformed: the requirements that aren't PEP 508.
    """

    def __init__(
        self,
        name: str,
        requires: tuple[str, ...],
        environment: Callable[[], Mapping[str, str]],
    ) -> None:
        self._name = name
        self._environment = environment
        self._left = _MAX_EVALUATED
        self._of_all: list[AnyRequirement] = []
        self._of_extra: dict[str, list[AnyRequirement]] = {}
        self._undecided: list[AnyRequirement] = []
        malformed = []
        for text in requires:
            requirement = _parsed(text) if len(text) <= _LONGEST_REQUIREMENT else None
            if requirement is None or not self._take_in(requirement):
                malformed.append(text)
        self.malformed = tuple(malformed)

    def of(self, extra: str) -> tuple[AnyRequirement, ...]:
        """Return what is required without an extra, or what an extra adds to that.

        Args:
            extra: the extra, or an empty string for none.

        Raises:
            InputError: the requirements for extras are more than is evaluated.
        """
        if not extra:
            return tuple(self._of_all)
        candidates = (*self._of_extra.get(normalized_name(extra), ()), *self._undecided)
        return tuple(requirement for requirement in candidates if self._holds(requirement, extra))

    def _take_in(self, requirement: AnyRequirement) -> bool:
        """File a requirement under the extras that it is for; return whether it means anything."""
        holds = self._holds(requirement, "")
        if holds:
            self._of_all.append(requirement)
        marker = str(requirement.marker or "")
        if holds is not None and "extra" in marker:
            if "extra" in re.sub(_EXTRA, "", marker):
                self._undecided.append(requirement)
            else:
                for extra in set(map(normalized_name, re.findall(_EXTRA, marker))):
                    self._of_extra.setdefault(extra, []).append(requirement)
        return holds is not None

    def _holds(self, requirement: AnyRequirement, extra: str) -> bool | None:
        """Whether a requirement holds; None where its marker means nothing."""
        if requirement.marker is None:
            return True
        self._left -= len(str(requirement.marker))
        if self._left < 0:
            raise InputError(
                f"`{self._name}` states more requirements for extras than are evaluated",
                hint=f"do without `{self._name}`, or report it to its authors",
            )
        try:
            return requirement.marker.evaluate({**self._environment(), "extra": extra})
        except (KeyError, RecursionError, ValueError):
            # Older versions of `packaging` raise a KeyError for a marker without a variable.
            return None


@lru_cache(maxsize=1 << 14)
def _parsed(text: str) -> AnyRequirement | None:
    """Return a requirement, or None where it isn't PEP 508."""
    plain = _PLAIN.fullmatch(text)
    if plain is not None:
        specifier = SpecifierSet(plain["specifier"] or "")
        return PlainRequirement(text=text, name=plain["name"], specifier=specifier)
    from packaging.requirements import Requirement

    try:
        return Requirement(text)
    except (RecursionError, ValueError):
        return None


def _find(
    name: str, requirement: AnyRequirement, inventory: Inventory, provided: Mapping[str, str]
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
