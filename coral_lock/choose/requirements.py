"""From the requirements of a distribution's version to demands, for each target."""

from __future__ import annotations

from coral_lock.choose.demand import Demand, Incoming, Source
from coral_lock.inventory import BrokenDistribution, Distribution
from coral_lock.names import normalized_name
from coral_lock.resolve.closure import NOT_PEP_508, PROGRAM, RequirementsOf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    from coral_lock.choose.releases import Releases

_MAX_SHOWN = 200


class Requirements:
    """The `Requires-Dist` of every version, evaluated once for each extra and target.

    Args:
        releases: what there is.
        provided: by target the versions of distributions that count as present there
            without a wheel.
    """

    def __init__(self, releases: Releases, provided: Mapping[str, Mapping[str, str]]) -> None:
        self._releases = releases
        self._provided = provided
        self._environments = {
            target: dict(source.marker_environment()) for target, source in releases.sources.items()
        }
        self._required_by: dict[tuple[str, str, str], RequirementsOf] = {}
        self._demands: dict[tuple[str, str, str, str], tuple[Demand, ...]] = {}
        self._allowed: dict[tuple[str, str], frozenset[str]] = {}

    def demands_of(self, name: str, version: str, extra: str, target: str) -> tuple[Demand, ...]:
        """Return what a version demands with an extra, or without one, on a target."""
        key = (name, version, extra, target)
        if key not in self._demands:
            self._demands[key] = self._derive(*key)
        return self._demands[key]

    def provided(self, name: str, target: str) -> str | None:
        """Return the version that counts as present on a target without a wheel, or None."""
        if self._releases.at(name, target):
            return None
        return self._provided.get(target, {}).get(name)

    def of_program(self, requires: tuple[str, ...]) -> tuple[Incoming, ...]:
        """Return what the program itself requires (PEP 508) on each target."""
        program = Distribution(
            name=PROGRAM, version="", requires=requires, entry_points=(), location=""
        )
        incoming = []
        for target, environment in self._environments.items():
            for demand in self._demands_in(
                RequirementsOf(program, environment), PROGRAM, "", target
            ):
                incoming.append(Incoming(demand=demand, source=Source(is_program=True)))
        return tuple(incoming)

    def _derive(self, name: str, version: str, extra: str, target: str) -> tuple[Demand, ...]:
        distribution = self._releases.distribution(name, version, target)
        if distribution is None or isinstance(distribution, BrokenDistribution):
            return ()
        key = (name, version, target)
        if key not in self._required_by:
            self._required_by[key] = RequirementsOf(distribution, self._environments[target])
        return self._demands_in(self._required_by[key], name, extra, target)

    def _demands_in(
        self, required: RequirementsOf, name: str, extra: str, target: str
    ) -> tuple[Demand, ...]:
        demands = [
            Demand(
                name=name,
                target=target,
                allowed=frozenset(),
                text=f"{text[:_MAX_SHOWN]} ({NOT_PEP_508})",
            )
            for text in (() if extra else required.malformed)
        ]
        for requirement in required.of(extra):
            demand = self._demand(requirement, target)
            if demand is not None:
                demands.append(demand)
        return tuple(demands)

    def _demand(self, requirement: Requirement, target: str) -> Demand | None:
        """Return the demand of a requirement, None where what counts as present meets it."""
        name = normalized_name(requirement.name)
        provided = self.provided(name, target)
        if provided is not None and _contains(requirement.specifier, provided):
            return None
        specifiers = tuple(requirement.specifier)
        specifier = str(requirement.specifier)
        return Demand(
            name=name,
            target=target,
            extras=tuple(sorted(requirement.extras)),
            allowed=frozenset()
            if provided is not None
            else self._versions_in(name, specifier, requirement.specifier),
            takes_prereleases=bool(requirement.specifier.prereleases),
            is_pin=any(
                each.operator in ("==", "===") and not each.version.endswith(".*")
                for each in specifiers
            ),
            text=_without_marker(requirement),
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
    """Whether a version meets a specifier, pre-releases included; what isn't one doesn't."""
    try:
        return specifier.contains(version, prereleases=True)
    except ValueError:
        return False


def _without_marker(requirement: Requirement) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    url = f" @ {requirement.url}" if requirement.url else ""
    return f"{requirement.name}{extras}{requirement.specifier}{url}"[:_MAX_SHOWN]
