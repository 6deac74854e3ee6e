"""Why a problem has no solution: the fewest requirements that can't be met together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from coral_lock.resolver.problem import Problem
from coral_lock.resolver.propagation import Propagation, propagate
from coral_lock.resolver.requirements import RequirementInformation, needed_nodes
from coral_lock.resolver.solver import Outcome, SearchGivenUp, search, solve

_MAX_CAUSES = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Conflict:
    """A distribution of which no version meets all requirements.

    Args:
        name: the distribution.
        incoming: the fewest requirements that can't be met together.
        chains: for each of these, how its source is needed: from the descriptor's
            requirement over the versions that require each other, the source last.
        targets: all the targets that need the distribution, sorted.
    """

    name: str
    incoming: tuple[RequirementInformation, ...]
    chains: tuple[tuple[RequirementInformation, ...], ...]
    targets: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """Roots that can't be met together.

    Args:
        problem: the problem with these roots alone.
        outcome: what solving it came to.
        conflicts: where following the best versions leads to.
    """

    problem: Problem
    outcome: Outcome
    conflicts: tuple[Conflict, ...]

    def plugins(self) -> list[tuple[str, ...]]:
        """Return the plugins at the roots: those of each distribution, sorted."""
        return sorted({root.source.plugins for root in self.problem.roots if root.source.plugins})


def causes_of(problem: Problem, outcome: Outcome) -> Iterator[Cause]:
    """Yield the independent causes why a problem has no solution.

    Args:
        problem: the problem.
        outcome: what solving it came to.
    """
    for _ in range(_MAX_CAUSES):
        if outcome.is_solved:
            return
        smallest = _smallest(problem, outcome)
        yield Cause(
            problem=smallest,
            outcome=outcome if smallest is problem else solve(smallest),
            conflicts=tuple(_conflicts(smallest)),
        )
        wanted = {root.requirement.name for root in smallest.roots if root.source.plugins}
        if not wanted:
            return
        problem = problem.with_roots(set(problem.root_names()) - wanted)
        outcome = solve(problem)


def _smallest(problem: Problem, outcome: Outcome) -> Problem:
    """Return the problem with roots of which none can be left out, if that can be proven."""
    if not outcome.is_proven:
        return problem
    smallest = problem.with_roots(outcome.involved)
    for name in smallest.root_names():
        fewer = smallest.with_roots(set(smallest.root_names()) - {name})
        with suppress(SearchGivenUp):
            if search(fewer, outcome.involved) is None:
                smallest = fewer
    return smallest


def _conflicts(problem: Problem) -> Iterator[Conflict]:
    """Yield where the best versions conflict, or would if nothing else were tried."""
    propagation = propagate(problem, is_lenient=True)
    for name in propagation.conflicts or propagation.unstable:
        incoming = _fewest(problem, name, propagation)
        yield Conflict(
            name=name,
            incoming=incoming,
            chains=tuple(_chain(each, propagation) for each in incoming),
            targets=tuple(sorted({node[2] for node in propagation.nodes.get(name, ())})),
        )


def _fewest(
    problem: Problem, name: str, propagation: Propagation
) -> tuple[RequirementInformation, ...]:
    """Return requirements on a distribution of which none can be left out."""
    fewest = list(dict.fromkeys(propagation.incoming[name]))
    for each in list(fewest):
        fewer = [other for other in fewest if other is not each]
        requirements = [incoming.requirement for incoming in fewer]
        candidates = problem.releases.candidates(name, requirements, needed_nodes(fewer))
        if fewer and next(candidates, None) is None:
            fewest = fewer
    return tuple(fewest)


def _chain(
    incoming: RequirementInformation, propagation: Propagation
) -> tuple[RequirementInformation, ...]:
    """Return how the source of a requirement is needed, the root's requirement first."""
    chain = [incoming]
    seen = {incoming.requirement.name}
    while (name := chain[0].source.name) is not None and name not in seen:
        seen.add(name)
        needing = [
            each for each in propagation.incoming[name] if each.requirement.target is not None
        ]
        needing.sort(key=lambda each: (each.source.name is not None, str(each.source.name)))
        if not needing:
            break
        unseen = [each for each in needing if each.source.name not in seen]
        chain.insert(0, (unseen or needing)[0])
    return tuple(chain)
