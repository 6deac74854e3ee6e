"""From a descriptor and its sources to a solved problem: first the hosts, then all plugins."""

from __future__ import annotations

from coral_lock.lockfile.entries import Host, HostPackage
from coral_lock.names import CORE_DISTRIBUTION, INFERENCE_DISTRIBUTIONS
from coral_lock.record import Record
from coral_lock.resolver.plugin_requirements import Wants
from coral_lock.resolver.requirements import Demand, Incoming, Problem, Source
from coral_lock.resolver.solver import settle, solve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from coral_lock.resolver.candidates import Releases
    from coral_lock.resolver.plugin_index import Offers
    from coral_lock.resolver.requirements import Requirements
    from coral_lock.resolver.solver import Outcome


_NAMES = {"core": (CORE_DISTRIBUTION,), "inference": INFERENCE_DISTRIBUTIONS}


class HostVersions:
    """The hosts of which there are wheels, and the versions that somebody told.

    Args:
        releases: what there is.
        core_version: the version of the core host that is told, or None.
        inference_version: the version of the inference host that is told, or None.
    """

    def __init__(
        self, releases: Releases, core_version: str | None, inference_version: str | None
    ) -> None:
        self._releases = releases
        self._told = {"core": core_version, "inference": inference_version}
        self._roles = {
            name: role
            for role, names in _NAMES.items()
            for name in names
            if releases.versions(name)
        }
        self.names = tuple(sorted(self._roles))

    def provided(self) -> dict[str, dict[str, str]]:
        """Return by target the told versions of hosts that have no wheel there."""
        return {
            target: {
                _NAMES[role][0]: told
                for role, told in self._told.items()
                if told and self._leading(role, target) is None
            }
            for target in self._releases.targets
        }

    def allowed(self, name: str) -> frozenset[str]:
        """Return the versions of a host that may be chosen: the told one, if it is there."""
        versions = self._releases.versions(name)
        told = self._told[self._roles[name]]
        if told:
            wanted = self._releases.parsed(told)
            pinned = frozenset(
                version
                for version in versions
                if version == told or (wanted and self._releases.parsed(version) == wanted)
            )
            if pinned:
                return pinned
        return frozenset(versions)

    def is_open(self) -> bool:
        """Whether there are several versions of any host to choose from."""
        return any(len(self.allowed(name)) > 1 for name in self.names)

    def greatest(self) -> dict[str, str]:
        """Return the greatest version of each host that can be chosen, by name."""
        chosen = {}
        for name in self.names:
            allowed = self.allowed(name)
            newest = [each for each in self._releases.newest_first(name) if each in allowed]
            sound = [
                each
                for each in newest
                if len(allowed) == 1 or not self._releases.is_yanked(name, each)
            ]
            chosen[name] = (sound or newest)[0]
        return chosen

    def roots(self, pinned: Mapping[str, str]) -> list[Incoming]:
        """Return the demands that hosts with wheels be there, some at one version."""
        roots: list[Incoming] = []
        for name in self.names:
            allowed = frozenset({pinned[name]}) if name in pinned else self.allowed(name)
            told = self._told[self._roles[name]]
            is_one = len(allowed) == 1 and (name in pinned or told is not None)
            roots.extend(
                Incoming(
                    demand=Demand(
                        name=name,
                        target=target,
                        allowed=allowed,
                        takes_prereleases=is_one,
                        is_pin=is_one,
                        text=f"{name}=={next(iter(allowed))}" if is_one else name,
                    ),
                    source=Source(),
                )
                for target in self._releases.targets_with(name)
            )
        return roots

    def at(self, target: str, versions: Mapping[str, str]) -> Host:
        """Return the host of a target where some versions are chosen."""
        return Host(
            core=self._package("core", target, versions),
            inference=self._package("inference", target, versions),
            python=self._releases.sources[target].python_version(),
        )

    def at_least(self, role: str, required: str, target: str) -> Demand | None:
        """Return the demand of a host's least version, None where it isn't open to choice."""
        name = self._leading(role, target)
        least = self._releases.parsed(required)
        if name is None or least is None:
            return None
        parsed = {each: self._releases.parsed(each) for each in self._releases.versions(name)}
        return Demand(
            name=name,
            target=None,
            allowed=frozenset(
                text for text, version in parsed.items() if version is not None and version >= least
            ),
            text=f"{name}>={required}",
        )

    def _leading(self, role: str, target: str) -> str | None:
        """Return the name under which a host has a wheel for a target; the first one counts."""
        return next((name for name in _NAMES[role] if self._releases.at(name, target)), None)

    def _package(self, role: str, target: str, versions: Mapping[str, str]) -> HostPackage | None:
        for name in _NAMES[role]:
            version = versions.get(name)
            if version is not None and version in self._releases.at(name, target):
                return HostPackage(distribution=name, version=version)
        told = self._told[role]
        return HostPackage(distribution=_NAMES[role][0], version=told) if told else None


class Parts(Record):
    """What a problem is made of.

    Args:
        releases: the versions there are.
        requirements: what they require.
        offers: the plugins that they offer.
        hosts: the hosts among them.
        program: what the program itself requires.
    """

    releases: Releases
    requirements: Requirements
    offers: Offers
    hosts: HostVersions
    program: tuple[Incoming, ...] = ()


class Plan(Record):
    """A problem, what it came to, and what was wanted in it.

    `left_out` are the optional plugins that aren't wanted, each with a target.
    """

    problem: Problem
    outcome: Outcome
    wants: Wants
    left_out: frozenset[tuple[str, str]] = frozenset()


class Chosen(Record):
    """A version of everything that takes part, and which of these are needed at all."""

    versions: Mapping[str, str]
    needed: frozenset[str]


def plan(parts: Parts, left_out: frozenset[tuple[str, str]] = frozenset()) -> Plan:
    """Solve for the hosts and what is asked for, then for everything that is wanted.

    What a host itself requires is met where it can be. It needn't be where no plugin needs
    the host, as then it is only a warning in the end.

    Args:
        parts: what the problem is made of.
        left_out: the optional plugins that aren't wanted, each with a target.
    """
    everything = frozenset(parts.hosts.names)
    strict = _plan(parts, everything, left_out)
    if strict.outcome.is_solved or not everything:
        return strict
    followed: frozenset[str] = frozenset()
    while True:
        lenient = _plan(parts, followed, left_out)
        needed = _hosts_of_plugins(lenient, everything)
        if not lenient.outcome.is_solved or needed <= followed:
            return lenient
        followed |= needed


def _hosts_of_plugins(plan: Plan, hosts: frozenset[str]) -> frozenset[str]:
    """Return the hosts that the distributions of plugins require."""
    return frozenset(
        name
        for name, incoming in plan.outcome.settled.incoming.items()
        if name in hosts
        and any(
            each.source.name is not None and each.demand.target is not None for each in incoming
        )
    )


def _plan(parts: Parts, followed: frozenset[str], left_out: frozenset[tuple[str, str]]) -> Plan:
    versions: Mapping[str, str] = parts.hosts.greatest()
    if not parts.hosts.is_open():
        return _solved(parts, versions, versions, followed, left_out)
    wants = Wants(parts.releases, parts.offers, parts.hosts, versions, only_asked=True)
    problem = problem_of(parts, wants, {}, followed)
    outcome = solve(problem)
    if not outcome.is_solved:
        return Plan(problem=problem, outcome=outcome, wants=wants)
    versions = {name: outcome.settled.versions[name] for name in parts.hosts.names}
    pinned = _solved(parts, versions, versions, followed, left_out)
    if pinned.outcome.is_solved:
        return pinned
    free = _solved(parts, versions, {}, followed, left_out)
    return free if free.outcome.is_solved else pinned


def _solved(
    parts: Parts,
    versions: Mapping[str, str],
    pinned: Mapping[str, str],
    followed: frozenset[str],
    left_out: frozenset[tuple[str, str]],
) -> Plan:
    wants = Wants(
        parts.releases,
        parts.offers,
        parts.hosts,
        versions,
        only_asked=False,
        left_out=left_out,
    )
    problem = problem_of(parts, wants, pinned, followed)
    return Plan(problem=problem, outcome=solve(problem), wants=wants, left_out=left_out)


def problem_of(
    parts: Parts, wants: Wants, pinned: Mapping[str, str], followed: frozenset[str]
) -> Problem:
    """Return the problem that hosts and wants make.

    Args:
        parts: what it is made of.
        wants: what plugins want.
        pinned: versions of hosts that are settled.
        followed: the hosts of which it is to be met what they require.
    """
    passed_over = frozenset(parts.hosts.names) - followed

    def demands_of(name: str, version: str, extra: str, target: str) -> tuple[Demand, ...]:
        if name in passed_over:
            return ()
        required = parts.requirements.demands_of(name, version, extra, target)
        return required if extra else (*required, *wants.demands_of(name, version, target))

    return Problem(
        releases=parts.releases,
        roots=(*parts.hosts.roots(pinned), *wants.roots(), *parts.program),
        demands_of=demands_of,
    )


def best_versions(parts: Parts, plan: Plan) -> Chosen:
    """Return a version of everything that takes part, be it that nothing meets all demands.

    These are the solution, what the hosts require besides, and a version of every
    distribution that declares plugins, or may do so as all its wheels are broken. What
    optional plugins would need that are left out is there as far as it can be used, so that
    looking at it tells what they lack.
    """
    solution = plan.outcome.settled.versions if plan.outcome.is_solved else {}
    versions = {**_followed(parts, plan, plan.wants, solution), **solution}
    needed = set(versions)
    if plan.left_out:
        missed = _followed(parts, plan, plan.wants.without_omissions(), versions)
        for name, version in missed.items():
            if parts.releases.broken(name, version) is None:
                versions.setdefault(name, version)
    for name in (*parts.offers.names, *parts.offers.unreadable):
        if name not in versions:
            found = next(_listable(parts, plan, name), None)
            if found is not None:
                versions[name] = found
    return Chosen(
        versions={name: versions[name] for name in sorted(versions)}, needed=frozenset(needed)
    )


def _followed(
    parts: Parts, plan: Plan, wants: Wants, versions: Mapping[str, str]
) -> Mapping[str, str]:
    """Return where following what is wanted leads, some versions being as they are."""
    problem = problem_of(parts, wants, {}, frozenset(parts.hosts.names))
    dead = plan.outcome.dead if plan.outcome.is_solved else ()
    return settle(problem, versions, dead, is_lenient=True).versions


def _listable(parts: Parts, plan: Plan, name: str) -> Iterator[str]:
    """Yield the versions of a distribution that nothing needs, the best first.

    One that can't be installed anywhere isn't among them, unless it is asked for and there
    is no solution.
    """
    releases = parts.releases
    is_missed = name in plan.wants.asked and not plan.outcome.is_solved
    for version in releases.candidates(name, (), ()):
        if is_missed or any(
            releases.can_have(name, version, target) for target in releases.targets
        ):
            yield version
