"""From a descriptor and its sources to a solved problem: first the hosts, then all plugins."""

from __future__ import annotations

from coral_lock.choose.problem import Problem
from coral_lock.choose.settling import settle
from coral_lock.choose.solving import solve
from coral_lock.choose.wants import Wants
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from coral_lock.choose.demand import Demand, Incoming
    from coral_lock.choose.host_versions import HostVersions
    from coral_lock.choose.offers import Offers
    from coral_lock.choose.releases import Releases
    from coral_lock.choose.requirements import Requirements
    from coral_lock.choose.solving import Outcome


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
