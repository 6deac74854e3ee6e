"""The problem to solve, and what each version of a distribution requires."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from packaging import requirements as pep508
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from coral_lock.inventory import BrokenDistribution, Distribution
from coral_lock.locking.closure import NOT_PEP_508, PROGRAM, RequirementsOf
from coral_lock.names import normalized_name
from coral_lock.resolver.releases import Releases
from coral_lock.resolver.requirements import Node, Requirement, RequirementInformation, Source


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """What a choice of versions has to meet.

    Args:
        releases: the versions to choose from.
        roots: the requirements that hold whatever is chosen.
        requirements_of: what a version requires; it is called with the name, the version,
            the extra (or an empty string) and the target.
        ignored: names and texts of requirements that don't count, to see what would be.
    """

    releases: Releases
    roots: tuple[RequirementInformation, ...]
    requirements_of: Callable[[str, str, str, str], tuple[Requirement, ...]]
    ignored: Collection[tuple[str, str]] = ()

    def requirements(self, node: Node, version: str) -> tuple[Requirement, ...]:
        """Return what a version requires where it is needed."""
        name, extra, target = node
        required = self.requirements_of(name, version, extra, target)
        if self.ignored:
            return tuple(each for each in required if (name, each.text) not in self.ignored)
        return required

    def with_roots(self, names: Collection[str]) -> Problem:
        """Return the problem in which only some distributions are required from the start."""
        roots = tuple(root for root in self.roots if root.requirement.name in names)
        return replace(self, roots=roots)

    def root_names(self) -> list[str]:
        """Return the distributions that are required whatever is chosen, sorted."""
        return sorted({root.requirement.name for root in self.roots})


_MAX_SHOWN = 200


class DeclaredRequirements:
    """The `Requires-Dist` of every version, evaluated once for each extra and target.

    Args:
        releases: the versions to choose from.
        provided: by target the versions of distributions that count as present there
            without a wheel.
    """

    def __init__(self, releases: Releases, provided: Mapping[str, Mapping[str, str]]) -> None:
        self._releases = releases
        self._provided = provided
        self._declared: dict[tuple[str, str, str], RequirementsOf | None] = {}
        self._requirements: dict[tuple[str, str, str, str], tuple[Requirement, ...]] = {}
        self._allowed: dict[tuple[str, str], frozenset[str]] = {}

    def of(self, name: str, version: str, extra: str, target: str) -> tuple[Requirement, ...]:
        """Return what a version requires with an extra, or without one, on a target."""
        key = (name, version, extra, target)
        if key not in self._requirements:
            declared = self._declared_by(name, version, target)
            self._requirements[key] = tuple(self._evaluated(declared, name, extra, target))
        return self._requirements[key]

    def of_program(self, requires: tuple[str, ...]) -> Iterator[RequirementInformation]:
        """Yield what the program itself requires (PEP 508) on each target."""
        program = Distribution(
            name=PROGRAM, version="", requires=requires, entry_points=(), location=""
        )
        for target, environment in self._releases.environments.items():
            declared = RequirementsOf(program, environment)
            for requirement in self._evaluated(declared, PROGRAM, "", target):
                yield RequirementInformation(requirement, Source(is_program=True))

    def _declared_by(self, name: str, version: str, target: str) -> RequirementsOf | None:
        key = (name, version, target)
        if key not in self._declared:
            distribution = self._releases.distribution(*key)
            self._declared[key] = (
                None
                if distribution is None or isinstance(distribution, BrokenDistribution)
                else RequirementsOf(distribution, self._releases.environments[target])
            )
        return self._declared[key]

    def _evaluated(
        self, declared: RequirementsOf | None, name: str, extra: str, target: str
    ) -> Iterator[Requirement]:
        if declared is None:
            return
        for text in () if extra else declared.malformed:
            yield Requirement(
                name=name,
                target=target,
                allowed=frozenset(),
                text=f"{text[:_MAX_SHOWN]} ({NOT_PEP_508})",
            )
        for each in declared.of(extra):
            requirement = self._requirement(each, target)
            if requirement is not None:
                yield requirement

    def _requirement(self, declared: pep508.Requirement, target: str) -> Requirement | None:
        """Return a requirement, None where what counts as present meets it."""
        name = normalized_name(declared.name)
        provided = None
        if not self._releases.at(name, target):
            provided = self._provided[target].get(name)
        if provided is not None and _contains(declared.specifier, provided):
            return None
        specifier = str(declared.specifier)
        return Requirement(
            name=name,
            target=target,
            extras=tuple(sorted(declared.extras)),
            allowed=frozenset()
            if provided is not None
            else self._versions_in(name, specifier, declared.specifier),
            takes_prereleases=bool(declared.specifier.prereleases),
            is_pin=any(
                each.operator in ("==", "===") and not each.version.endswith(".*")
                for each in declared.specifier
            ),
            text=_without_marker(declared),
            specifier=specifier[:_MAX_SHOWN],
        )

    def _versions_in(self, name: str, text: str, specifier: SpecifierSet) -> frozenset[str]:
        key = (name, text)
        if key not in self._allowed:
            self._allowed[key] = frozenset(
                version
                for version in self._releases.versions(name)
                if _contains(specifier, self._releases.parsed(version) or version)
            )
        return self._allowed[key]


def _contains(specifier: SpecifierSet, version: Version | str) -> bool:
    """Whether a version meets a specifier, pre-releases included; an invalid one doesn't."""
    try:
        return specifier.contains(version, prereleases=True)
    except ValueError:
        return False


def _without_marker(declared: pep508.Requirement) -> str:
    extras = f"[{','.join(sorted(declared.extras))}]" if declared.extras else ""
    url = f" @ {declared.url}" if declared.url else ""
    return f"{declared.name}{extras}{declared.specifier}{url}"[:_MAX_SHOWN]
