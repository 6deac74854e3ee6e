"""Why there is no solution: the fewest wants that can't be met together."""

from __future__ import annotations

from coral_lock.choose.clashes import SearchGivenUp, choose_among
from coral_lock.choose.demand import Incoming, needed_nodes
from coral_lock.choose.settling import settle
from coral_lock.choose.solving import solve
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from coral_lock.choose.problem import Problem
    from coral_lock.choose.settling import Settled
    from coral_lock.choose.solving import Outcome

_MAX_CAUSES = 10


class Clash(Record):
    """A distribution of which no version meets what is demanded of it.

    Args:
        name: the distribution.
        demands: the fewest demands that can't be met together, and who makes them.
        chains: for each of the demands, how its source is needed: from the descriptor's
            want over the versions that demand each other, the source last.
        targets: all the targets that need the distribution, sorted.
    """

    name: str
    demands: tuple[Incoming, ...]
    chains: tuple[tuple[Incoming, ...], ...]
    targets: tuple[str, ...]


class Cause(Record):
    """Wants that can't be met together.

    Args:
        roots: the distributions that the descriptor wants, or that are hosts, sorted.
        problem: the problem with these wants alone.
        outcome: what solving it came to.
        clashes: where following the best versions leads to.
    """

    roots: tuple[str, ...]
    problem: Problem
    outcome: Outcome
    clashes: tuple[Clash, ...]


def causes_of(problem: Problem, outcome: Outcome) -> Iterator[Cause]:
    """Yield the independent causes why a problem has no solution.

    Args:
        problem: the problem.
        outcome: what solving it came to.
    """
    for _ in range(_MAX_CAUSES):
        if outcome.is_solved:
            return
        cause = _smallest(problem, outcome)
        yield cause
        wanted = {root.demand.name for root in cause.problem.roots if root.source.plugins}
        if not wanted:
            return
        problem = _without(problem, wanted)
        outcome = solve(problem)


def _smallest(problem: Problem, outcome: Outcome) -> Cause:
    """Return a cause from which no root can be left out."""
    smallest = _only(problem, set(outcome.involved))
    for name in _root_names(smallest):
        fewer = _without(smallest, (name,))
        if _is_impossible(fewer, outcome.involved):
            smallest = fewer
    attempt = solve(smallest)
    if attempt.is_solved:
        smallest, attempt = problem, outcome
    for name in _root_names(smallest):
        fewer = _without(smallest, (name,))
        without = solve(fewer)
        if not without.is_solved:
            smallest, attempt = fewer, without
    return Cause(
        roots=tuple(_root_names(smallest)),
        problem=smallest,
        outcome=attempt,
        clashes=tuple(_clashes(smallest)),
    )


def _is_impossible(problem: Problem, names: tuple[str, ...]) -> bool:
    """Whether some distributions alone prove that there is no solution."""
    try:
        return choose_among(problem, names, ()) is None
    except SearchGivenUp:
        return False


def _root_names(problem: Problem) -> list[str]:
    return sorted({root.demand.name for root in problem.roots})


def _only(problem: Problem, names: set[str]) -> Problem:
    return problem.replace(roots=tuple(root for root in problem.roots if root.demand.name in names))


def _without(problem: Problem, names: Iterable[str]) -> Problem:
    left_out = set(names)
    return problem.replace(
        roots=tuple(root for root in problem.roots if root.demand.name not in left_out)
    )


def _clashes(problem: Problem) -> Iterator[Clash]:
    """Yield where the best versions clash, or would if nothing else were tried."""
    settled = settle(problem, is_lenient=True)
    for name in settled.conflicts or settled.restless:
        demands = _fewest(problem, name, settled)
        yield Clash(
            name=name,
            demands=demands,
            chains=tuple(_chain(each, settled) for each in demands),
            targets=tuple(sorted({node[2] for node in settled.nodes.get(name, ())})),
        )


def _fewest(problem: Problem, name: str, settled: Settled) -> tuple[Incoming, ...]:
    """Return the demands on a distribution of which none can be left out."""
    demands = list(dict.fromkeys(settled.incoming[name]))
    for each in list(demands):
        fewer = [other for other in demands if other is not each]
        if fewer and not _is_met(problem, name, fewer):
            demands = fewer
    return tuple(demands)


def _is_met(problem: Problem, name: str, incoming: list[Incoming]) -> bool:
    demands = [each.demand for each in incoming]
    return next(problem.candidates(name, demands, needed_nodes(incoming)), None) is not None


def _chain(incoming: Incoming, settled: Settled) -> tuple[Incoming, ...]:
    """Return how the source of a demand is needed, the root's demand first."""
    chain = [incoming]
    seen = {incoming.demand.name}
    while chain[0].source.name is not None and chain[0].source.name not in seen:
        name = chain[0].source.name
        seen.add(name)
        needing = [each for each in settled.incoming[name] if each.demand.target is not None]
        needing.sort(key=lambda each: (each.source.name is not None, str(each.source.name)))
        if not needing:
            break
        unseen = [each for each in needing if each.source.name not in seen]
        chain.insert(0, (unseen or needing)[0])
    return tuple(chain)
