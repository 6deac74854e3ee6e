"""The problem to solve: requirements of the descriptor and of each version of a distribution."""

from __future__ import annotations

from coral_lock.inventory import BrokenDistribution, Distribution
from coral_lock.locking.closure import NOT_PEP_508, PROGRAM, RequirementsOf
from coral_lock.names import normalized_name
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    from coral_lock.resolver.candidates import Releases


class Demand(Record):
    """What is demanded of a distribution.

    Every kind of demand (a `Requires-Dist`, a plugin that is asked for, one that another
    requires or excludes, the least version of a host) comes to the versions that meet it.

    Args:
        name: the normalized name of the distribution.
        target: the target that needs it; None where it needn't be there at all, but has
            one of the allowed versions if it is.
        extras: the extras that are required with it.
        allowed: the versions that meet the demand, pre-releases and yanked ones included.
        takes_prereleases: whether it names a pre-release, so that they count like others.
        is_pin: whether it names one version with `==` or `===`, be it yanked or not.
        text: how it reads in a message: `numpy>=2`.
        specifier: the versions that a requirement asks for: `>=2`; empty for any.
        relation: the other plugin that it is about, None where it isn't about one.
    """

    name: str
    target: str | None
    extras: tuple[str, ...] = ()
    allowed: frozenset[str]
    takes_prereleases: bool = False
    is_pin: bool = False
    text: str
    specifier: str = ""
    relation: str | None = None

    def phrase(self) -> str:
        """Return what the demand says of whoever makes it: `requires numpy>=2`."""
        if self.relation is None:
            return f"requires `{self.text}`"
        return f"{'excludes' if self.target is None else 'requires'} `{self.relation}`"


class Source(Record):
    """Who makes a demand: a version of a distribution, or the descriptor for some plugins.

    Args:
        name: the distribution, None for the descriptor.
        version: its version, None for the descriptor.
        extra: the extra with which it makes the demand, or an empty string.
        target: the target for which it makes the demand.
        plugins: the ids of the plugins that the descriptor wants of the demanded one.
        is_program: whether it is the program itself, by the descriptor.
    """

    name: str | None = None
    version: str | None = None
    extra: str = ""
    target: str = ""
    plugins: tuple[str, ...] = ()
    is_program: bool = False


class Incoming(Record):
    """A demand and who makes it."""

    demand: Demand
    source: Source


Node = tuple[str, str, str]
"""A distribution that is needed: its name, an extra or an empty string, a target."""


def nodes_of(demand: Demand) -> tuple[Node, ...]:
    """Return what a demand makes needed: the distribution itself, and with each extra."""
    if demand.target is None:
        return ()
    return tuple((demand.name, extra, demand.target) for extra in ("", *demand.extras))


def needed_nodes(incoming: Iterable[Incoming]) -> tuple[Node, ...]:
    """Return what several demands make needed, each once, sorted."""
    return tuple(sorted({node for each in incoming for node in nodes_of(each.demand)}))


if TYPE_CHECKING:
    DemandsOf: TypeAlias = Callable[[str, str, str, str], tuple[Demand, ...]]


class Problem(Record):
    """What a choice of versions has to meet.

    Args:
        releases: the versions to choose from.
        roots: the demands that hold whatever is chosen.
        demands_of: what a version demands; it is called with the name, the version, the
            extra (or an empty string) and the target.
        passed_over: names and texts of demands that don't count, to see what would be.
        admitted: distributions of which pre-releases and yanked versions count like others,
            likewise.
    """

    releases: Releases
    roots: tuple[Incoming, ...]
    demands_of: DemandsOf
    passed_over: frozenset[tuple[str, str]] = frozenset()
    admitted: frozenset[str] = frozenset()

    def demands(self, node: Node, version: str) -> tuple[Demand, ...]:
        """Return what a version demands where it is needed."""
        name, extra, target = node
        demands = self.demands_of(name, version, extra, target)
        if self.passed_over:
            return tuple(each for each in demands if (name, each.text) not in self.passed_over)
        return demands

    def candidates(
        self,
        name: str,
        demands: Sequence[Demand],
        nodes: Collection[Node],
        dead: Collection[tuple[Node, str]] = (),
    ) -> Iterator[str]:
        """Yield the versions that can be taken; see `Releases.candidates`."""
        if name in self.admitted:
            lenient = Demand(
                name=name,
                target=None,
                allowed=frozenset(self.releases.versions(name)),
                takes_prereleases=True,
                is_pin=True,
                text=name,
            )
            demands = (*demands, lenient)
        return self.releases.candidates(name, demands, nodes, dead)


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
