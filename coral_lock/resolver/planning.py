"""From inputs to a solved problem: first the hosts, then all plugins, optional ones last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coral_lock.resolver.plugins import Inputs, PluginRequirements, Unit
from coral_lock.resolver.propagation import Problem, propagate
from coral_lock.resolver.releases import Requirement
from coral_lock.resolver.solver import Outcome, solve


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What solving came to, and what plugins required in it.

    `omitted` are the optional plugins that it does without.
    """

    outcome: Outcome
    plugins: PluginRequirements
    omitted: frozenset[Unit] = frozenset()

    @property
    def is_solved(self) -> bool:
        return self.outcome.is_solved


def plan_with_most_optional(inputs: Inputs) -> Plan:
    """Return the plan that omits optional plugins where it has to, and no others.

    They are taken in their order, by id and target, and each stays with which there still
    is a solution; so none that is omitted could be added. Where there is no solution even
    without all of them, the result is that one.
    """
    units = inputs.plugins.optional
    whole = plan(inputs)
    if whole.is_solved or not units:
        return whole
    without = plan(inputs, frozenset(units))
    return _with_more(inputs, without, units) if without.is_solved else without


def _with_more(inputs: Inputs, solved: Plan, units: Sequence[Unit]) -> Plan:
    """Return a solved plan with those of some plugins added that can be, not being all."""
    if len(units) > 1:
        middle = len(units) // 2
        for half in (units[:middle], units[middle:]):
            attempt = plan(inputs, solved.omitted.difference(half))
            solved = attempt if attempt.is_solved else _with_more(inputs, solved, half)
    return solved


def plan(inputs: Inputs, omitted: frozenset[Unit] = frozenset()) -> Plan:
    """Solve for the hosts and what is requested, then for everything that is wanted.

    What a host itself requires is met where it can be. It needn't be where no plugin needs
    the host, as then it is only a warning in the end.

    Args:
        inputs: what the problem is made from.
        omitted: the optional plugins that aren't wanted.
    """
    hosts = frozenset(inputs.hosts.names)
    strict = _plan(inputs, hosts, omitted)
    if strict.is_solved or not hosts:
        return strict
    followed: frozenset[str] = frozenset()
    while True:
        lenient = _plan(inputs, followed, omitted)
        needed = frozenset(
            name
            for name in hosts
            for requirement, source in lenient.outcome.propagation.incoming.get(name, ())
            if source.name is not None and requirement.target is not None
        )
        if not lenient.is_solved or needed <= followed:
            return lenient
        followed |= needed


def _plan(inputs: Inputs, followed: frozenset[str], omitted: frozenset[Unit]) -> Plan:
    """Solve for the hosts first, if there are several versions of one, then with these."""

    def solved(plugins: PluginRequirements, pins: Mapping[str, str]) -> Plan:
        outcome = solve(_problem(inputs, plugins, pins, followed))
        return Plan(outcome=outcome, plugins=plugins, omitted=omitted)

    versions = inputs.hosts.newest()
    if inputs.hosts.is_open():
        first = solved(PluginRequirements(inputs, versions, only_requested=True), {})
        if not first.is_solved:
            return first
        chosen = first.outcome.propagation.versions
        versions = {name: chosen[name] for name in versions}
    plugins = PluginRequirements(inputs, versions, omitted=omitted)
    pinned = solved(plugins, versions)
    if pinned.is_solved or not inputs.hosts.is_open():
        return pinned
    free = solved(plugins, {})
    return free if free.is_solved else pinned


def _problem(
    inputs: Inputs,
    plugins: PluginRequirements,
    pins: Mapping[str, str],
    followed: frozenset[str],
) -> Problem:
    """Return the problem that hosts and plugins make.

    Args:
        inputs: what it is made from.
        plugins: what plugins require.
        pins: versions of hosts that are settled.
        followed: the hosts whose own requirements are to be met.
    """
    ignored = frozenset(inputs.hosts.names) - followed

    def requirements_of(
        name: str, version: str, extra: str, target: str
    ) -> tuple[Requirement, ...]:
        if name in ignored:
            return ()
        declared = inputs.requirements.of(name, version, extra, target)
        return declared if extra else (*declared, *plugins.of(name, version, target))

    return Problem(
        releases=inputs.releases,
        roots=(
            *inputs.hosts.roots(pins),
            *plugins.roots(),
            *inputs.requirements.of_program(),
        ),
        requirements_of=requirements_of,
    )


def best_versions(inputs: Inputs, plan: Plan) -> tuple[dict[str, str], frozenset[str]]:
    """Return a version of everything that takes part, even if the problem is unsolvable.

    These are the solution, what the hosts require besides, and a version of every
    distribution that declares plugins, or may do so as all its wheels are broken. What
    omitted plugins would need is included as far as it can be used, so that what they lack
    can be reported.

    Returns:
        The versions by name, sorted, and the names of what is needed.
    """
    releases = inputs.releases
    hosts = frozenset(inputs.hosts.names)

    def follow(plugins: PluginRequirements, pins: Mapping[str, str]) -> Mapping[str, str]:
        """Return where following what is wanted leads, with some versions pinned."""
        problem = _problem(inputs, plugins, {}, hosts)
        return propagate(problem, pins, is_lenient=True).versions

    solution = plan.outcome.propagation.versions if plan.is_solved else {}
    versions = {**follow(plan.plugins, solution), **solution}
    needed = frozenset(versions)
    if plan.omitted:
        for name, version in follow(plan.plugins.without_omissions(), versions).items():
            if releases.broken(name, version) is None:
                versions.setdefault(name, version)
    for name in (*inputs.plugins.names, *inputs.plugins.unreadable):
        if name not in versions:
            is_missed = name in plan.plugins.requested and not plan.is_solved
            for version in releases.candidates(name):
                if is_missed or releases.targets_of(name, version):
                    versions[name] = version
                    break
    return dict(sorted(versions.items())), needed
