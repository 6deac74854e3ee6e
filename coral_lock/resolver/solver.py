"""From inputs to a solved problem: propagation, and narrowing and resolvelib for conflicts.

The hosts come first, then all plugins, optional ones last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from resolvelib import AbstractProvider, BaseReporter, Resolver
from resolvelib.resolvers import ResolutionImpossible, ResolutionTooDeep
from resolvelib.structs import RequirementInformation as Information

from coral_lock.resolver.plugins import Inputs, PluginRequirements, Unit
from coral_lock.resolver.propagation import Problem, Propagation, narrowed, propagate
from coral_lock.resolver.releases import Node, Requirement, needed_nodes


class SearchGivenUp(Exception):
    """The search would take too long, so it isn't known whether there is a solution."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """The outcome of solving.

    Args:
        problem: what was to be met.
        propagation: the solution; or, without one, where the best versions led.
        is_proven: whether it is certain that there is no solution where none was found.
        involved: without a solution, the distributions among which there is none, sorted.
    """

    problem: Problem
    propagation: Propagation
    is_proven: bool = True
    involved: tuple[str, ...] = ()

    @property
    def is_solved(self) -> bool:
        return self.propagation.is_solution


def solve(problem: Problem) -> Outcome:
    """Choose a version of everything that is needed, each the best that the others allow.

    Where the best versions conflict, they are searched for among the distributions in
    conflict and those through which they are needed; more of these join as long as conflicts
    come up elsewhere. As leaving requirements out only makes it easier, finding nothing among
    some proves that there is no solution at all.
    """
    names: set[str] = set()
    pins: Mapping[str, str] = {}
    while True:
        propagation = propagate(problem, pins)
        if propagation.is_solution:
            return Outcome(problem=problem, propagation=_improved(problem, propagation))
        before = len(names)
        names |= _around(propagation)
        if len(names) == before:
            names |= propagation.incoming.keys()
        found, is_proven = None, True
        try:
            found = search(problem, names)
        except SearchGivenUp:
            is_proven = False
        if found is None or len(names) == before:
            return Outcome(
                problem=problem,
                propagation=propagation,
                is_proven=is_proven,
                involved=tuple(sorted(names)),
            )
        pins = found


def _around(propagation: Propagation) -> set[str]:
    """Return what conflicts, what requires it, and through what these are needed."""
    depths = propagation.depths()
    return {
        link.requirement.name
        for name in propagation.conflicts
        for incoming in propagation.incoming[name]
        for link in propagation.chain(incoming, depths)
    }


_MAX_IMPROVEMENTS = 200


def _improved(problem: Problem, solution: Propagation) -> Propagation:
    """Return a solution in which no version can be better by itself.

    Without a search that is so except for versions that are required only by what they
    require themselves.
    """
    for _ in range(_MAX_IMPROVEMENTS):
        better = next(_improvements(problem, solution), None)
        if better is None:
            break
        solution = better
    return solution


def _improvements(problem: Problem, solution: Propagation) -> Iterator[Propagation]:
    """Yield solutions with a better version of something, and all else as it is."""
    for name, taken in solution.versions.items():
        nodes = needed_nodes(solution.incoming[name])
        if next(problem.releases.candidates(name, (), nodes)) == taken:
            continue
        for version in problem.releases.candidates(name, _lasting(solution, name), nodes):
            if version == taken:
                break
            if _fits(problem, solution, name, version):
                attempt = propagate(problem, {**solution.versions, name: version})
                if attempt.is_solution:
                    yield attempt


def _lasting(solution: Propagation, name: str) -> list[Requirement]:
    """Return the requirements on a distribution of all that is needed without it, too."""
    needed = solution.depths(without=name)
    return [requirement for requirement, source in solution.incoming[name] if source.name in needed]


def _fits(problem: Problem, solution: Propagation, name: str, version: str) -> bool:
    """Whether the other versions of a solution meet all that a version requires."""
    return all(
        requirement.target is None
        or (
            solution.versions.get(requirement.name) in requirement.allowed
            and set(requirement.nodes()) <= set(solution.nodes[requirement.name])
        )
        for node in solution.nodes[name]
        for requirement in problem.requirements(node, version)
    )


_MAX_ROUNDS = 5_000

_Key = tuple[str, str, str] | tuple[str]
"""A node of the problem; or a name alone, whose candidates all nodes of that name share."""


class _Wanted(NamedTuple):
    """A requirement as `resolvelib` sees it.

    It is one on a key, of the problem where that is a name; or that a name has a version.
    """

    key: _Key
    requirement: Requirement | None = None
    version: str | None = None


class _Candidate(NamedTuple):
    """A candidate as `resolvelib` sees it."""

    key: _Key
    version: str


def search(problem: Problem, names: Collection[str]) -> dict[str, str] | None:
    """Return versions of those of the distributions that are needed, None if there are none.

    Args:
        problem: what has to be met; what it requires of other distributions is left out.
        names: the distributions.

    Raises:
        SearchGivenUp: the search would take too long.
    """
    roots = [each for root in problem.with_roots(names).roots for each in _wanted(root.requirement)]
    possible = narrowed(problem, names)
    if possible is None:
        return None
    resolver = Resolver(_Provider(problem, possible), BaseReporter())
    try:
        found = resolver.resolve(roots, max_rounds=_MAX_ROUNDS).mapping
    except ResolutionTooDeep:
        raise SearchGivenUp from None
    except ResolutionImpossible:
        return None
    needed = {key[0] for key in found if len(key) > 1}
    return {name: found[name,].version for name in sorted(needed)}


def _wanted(requirement: Requirement) -> Iterator[_Wanted]:
    yield _Wanted((requirement.name,), requirement)
    for node in requirement.nodes():
        yield _Wanted(node)


class _Provider(AbstractProvider[_Wanted, _Candidate, _Key]):
    """Presents the problem to `resolvelib`.

    The versions of a distribution are those of its name alone, where all requirements on it
    meet. A node means that it is needed: it takes the version of its name, and brings that
    version's own requirements.
    """

    def __init__(self, problem: Problem, possible: Mapping[str, frozenset[str]]) -> None:
        self._problem = problem
        self._possible = possible
        self._roots = set(problem.root_names())

    def identify(self, requirement_or_candidate: _Wanted | _Candidate) -> _Key:
        return requirement_or_candidate.key

    def get_preference(
        self,
        identifier: _Key,
        resolutions: Mapping[_Key, _Candidate],
        candidates: Mapping[_Key, Iterator[_Candidate]],
        information: Mapping[_Key, Iterator[Information[_Wanted, _Candidate]]],
        backtrack_causes: Sequence[Information[_Wanted, _Candidate]],
    ) -> tuple[bool, _Key]:
        """Let what the descriptor wants go first, then by name."""
        return (identifier[0] not in self._roots, identifier)

    def find_matches(
        self,
        identifier: _Key,
        requirements: Mapping[_Key, Iterator[_Wanted]],
        incompatibilities: Mapping[_Key, Iterator[_Candidate]],
    ) -> Sequence[_Candidate]:
        wanted = list(requirements[identifier])
        refused = {candidate.version for candidate in incompatibilities[identifier]}
        possible = self._possible[identifier[0]] - refused
        releases = self._problem.releases
        if len(identifier) == 1:
            required = [each.requirement for each in wanted if each.requirement is not None]
            versions = releases.candidates(identifier[0], required)
        else:
            name, _, target = identifier
            versions = (
                each for each in releases.versions(name) if releases.can_have(name, each, target)
            )
        return [
            _Candidate(identifier, version)
            for version in versions
            if version in possible and all(each.version in (None, version) for each in wanted)
        ]

    def is_satisfied_by(self, requirement: _Wanted, candidate: _Candidate) -> bool:
        if requirement.requirement is not None:
            return candidate.version in requirement.requirement.allowed
        return requirement.version in (None, candidate.version)

    def get_dependencies(self, candidate: _Candidate) -> Iterator[_Wanted]:
        key, version = candidate
        if len(key) == 3:
            yield _Wanted((key[0],), version=version)
            for requirement in self._problem.requirements(key, version):
                if requirement.name in self._possible:
                    yield from _wanted(requirement)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What solving came to, and what plugins required in it."""

    outcome: Outcome
    plugins: PluginRequirements

    @property
    def is_solved(self) -> bool:
        return self.outcome.is_solved

    @property
    def omitted(self) -> frozenset[Unit]:
        """The optional plugins that it does without."""
        return self.plugins.omitted


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
    """Solve for the hosts first, if there are several versions of one, then with these.

    So a plugin that nobody requests doesn't decide which host there is.
    """

    def solved(plugins: PluginRequirements, pins: Mapping[str, str]) -> Plan:
        outcome = solve(_problem(inputs, plugins, pins, followed))
        return Plan(outcome=outcome, plugins=plugins)

    pins: Mapping[str, str] = {}
    versions = inputs.hosts.newest()
    if inputs.hosts.is_open():
        first = solved(PluginRequirements(inputs, versions, inputs.plugins.unrequested), {})
        if first.is_solved:
            chosen = first.outcome.propagation.versions
            pins = versions = {name: chosen[name] for name in versions}
    plugins = PluginRequirements(inputs, versions, omitted)
    pinned = solved(plugins, pins)
    return pinned if pinned.is_solved or not pins else solved(plugins, {})


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

    def requirements(node: Node, version: str) -> tuple[Requirement, ...]:
        name, extra, target = node
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
        requirements=requirements,
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
        everything = PluginRequirements(inputs, plan.plugins.versions)
        for name, version in follow(everything, versions).items():
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
