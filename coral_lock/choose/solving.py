"""Solving a problem: the best versions where they get along, a search where they clash."""

from __future__ import annotations

from contextlib import suppress
from graphlib import CycleError, TopologicalSorter

from coral_lock.choose.clashes import SearchGivenUp, choose_among
from coral_lock.choose.demand import needed_nodes, nodes_of
from coral_lock.choose.settling import settle
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from coral_lock.choose.demand import Demand, Incoming, Node
    from coral_lock.choose.problem import Problem
    from coral_lock.choose.settling import Settled

_MAX_IMPROVEMENTS = 200

Dead = dict[tuple["Node", str], "Incoming"]


class Outcome(Record):
    """What solving came to.

    Args:
        settled: the solution; or, without one, where following the best versions led.
        is_solved: whether it is a solution.
        is_proven: whether it is certain that there is no solution where none was found.
        involved: without a solution, the distributions among which there is none, sorted.
        dead: nodes and versions that they can't have in any solution, each with what it
            demands that nothing meets.
    """

    settled: Settled
    is_solved: bool
    is_proven: bool = True
    involved: tuple[str, ...] = ()
    dead: Mapping[tuple[Node, str], Incoming] = {}


def solve(problem: Problem) -> Outcome:
    """Choose a version of everything that is needed, each the best that the others allow.

    Where the best versions clash, they are searched for among the distributions that
    clash and those through which they are needed; more of these join as long as clashes
    come up elsewhere. As leaving demands out only makes it easier, finding nothing among
    some proves that there is no solution at all.
    """
    dead: Dead = {}
    clashing: set[str] = set()
    pinned: dict[str, str] = {}
    while True:
        settled = settle(problem, pinned, dead)
        if not settled.conflicts and not settled.restless:
            return Outcome(
                settled=_improved(problem, settled, pinned, dead), is_solved=True, dead=dead
            )
        unmet = _unmet_alone(problem, settled, dead)
        hopeless = [each for each in unmet if each.source.name is None]
        if hopeless:
            involved = {each.demand.name for each in (*hopeless, *dead.values())}
            return _failed(settled, involved | {node[0] for node, _ in dead}, dead)
        # What goes in a circle is remembered, so a demand may be that of a version ruled out.
        fresh = {node: each for each in reversed(unmet) if (node := _node_of(each)) not in dead}
        before = len(clashing)
        if fresh:
            dead.update(fresh)
            if not clashing:
                continue
        else:
            clashing |= _around(settled)
            if len(clashing) == before:
                clashing |= set(settled.incoming)
        try:
            chosen = choose_among(problem, clashing, dead)
        except SearchGivenUp:
            return _failed(settled, clashing, dead).replace(is_proven=False)
        if chosen is None or (not fresh and len(clashing) == before):
            return _failed(settled, clashing, dead)
        pinned = chosen


def _node_of(incoming: Incoming) -> tuple[Node, str]:
    """Return who makes a demand, as a node and its version."""
    source = incoming.source
    return (str(source.name), source.extra, source.target), str(source.version)


def _failed(settled: Settled, involved: Iterable[str], dead: Dead) -> Outcome:
    return Outcome(settled=settled, is_solved=False, involved=tuple(sorted(involved)), dead=dead)


def _unmet_alone(problem: Problem, settled: Settled, dead: Dead) -> list[Incoming]:
    """Return the demands that nothing meets, whatever else is chosen."""
    unmet: list[Incoming] = []
    roots = {root.demand.name for root in problem.roots}
    for name in settled.conflicts:
        for incoming in settled.incoming[name]:
            if incoming.demand.target is None and name not in roots:
                continue
            if not _can_be_met(problem, incoming.demand, dead):
                unmet.append(incoming)
    return unmet


def _can_be_met(problem: Problem, demand: Demand, dead: Dead) -> bool:
    candidates = problem.candidates(demand.name, (demand,), nodes_of(demand), dead)
    return next(candidates, None) is not None


def _around(settled: Settled) -> set[str]:
    """Return the distributions that clash, those that demand them, and how these are needed."""
    clashing = {*settled.conflicts, *settled.restless}
    depths = _depths(settled)
    found: set[str] = set()
    waiting = sorted(clashing)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        incoming = settled.incoming.get(name, ())
        sources = {each.source.name for each in incoming if each.source.name is not None}
        if name in clashing:
            waiting.extend(sorted(sources))
        elif all(each.source.name is not None for each in incoming):
            near = [source for source in sources if source in depths]
            waiting.append(min(near, key=lambda source: (depths[source], source)))
    return found


def _depths(settled: Settled, *, without: str | None = None) -> dict[str, int]:
    """Return how many steps from a root everything is needed, not going through one."""
    depths: dict[str, int] = {}
    edges: dict[str, list[str]] = {}
    waiting = []
    for name, incoming in settled.incoming.items():
        for each in incoming:
            if each.demand.target is None:
                continue
            if each.source.name is None:
                if name not in depths:
                    depths[name] = 0
                    waiting.append(name)
            else:
                edges.setdefault(each.source.name, []).append(name)
    for name in waiting:
        for other in edges.get(name, ()) if name != without else ():
            if other not in depths:
                depths[other] = depths[name] + 1
                waiting.append(other)
    return depths


def _improved(problem: Problem, settled: Settled, pinned: Mapping[str, str], dead: Dead) -> Settled:
    """Return a solution in which no version can be better by itself.

    Without a search that is so but for versions that are demanded only by what they
    themselves demand.
    """
    fixed = {*pinned, *_in_circles(settled)}
    pins = {name: version for name, version in settled.versions.items() if name in fixed}
    for _ in range(_MAX_IMPROVEMENTS):
        is_better = False
        for name in sorted(pins):
            demands = _lasting_demands(settled, name)
            nodes = needed_nodes(settled.incoming[name])
            for version in problem.candidates(name, demands, nodes, dead):
                if version == pins[name]:
                    break
                if _gets_along(problem, settled, name, version):
                    attempt = settle(problem, {**pins, name: version}, dead)
                    if not attempt.conflicts and not attempt.restless:
                        pins[name], settled, is_better = version, attempt, True
                        pins = {each: pins[each] for each in pins if each in settled.versions}
                        break
            if is_better:
                break
        else:
            break
    return settled


def _in_circles(settled: Settled) -> set[str]:
    """Return what demands itself over others, and what lies between two such circles."""
    users: dict[str, set[str]] = {name: set() for name in settled.versions}
    used: dict[str, set[str]] = {name: set() for name in settled.versions}
    for name in users:
        for each in settled.incoming[name]:
            if each.source.name in used:
                users[name].add(each.source.name)
                used[each.source.name].add(name)
    return users.keys() - _in_order(users) - _in_order(used)


def _in_order(before: Mapping[str, set[str]]) -> set[str]:
    """Return the names that can be put in order, each after those that come before it."""
    sorter = TopologicalSorter(before)
    with suppress(CycleError):
        sorter.prepare()
    found: set[str] = set()
    while ready := sorter.get_ready():
        found.update(ready)
        sorter.done(*ready)
    return found


def _lasting_demands(settled: Settled, name: str) -> list[Demand]:
    """Return what is demanded of a distribution by all that is needed without it, too."""
    incoming = settled.incoming[name]
    sources = {each.source.name for each in incoming if each.source.name is not None}
    needed = _depths(settled, without=name) if sources else {}
    return [
        each.demand for each in incoming if each.source.name is None or each.source.name in needed
    ]


def _gets_along(problem: Problem, settled: Settled, name: str, version: str) -> bool:
    """Whether a version demands nothing that the versions of a solution don't meet."""
    return all(
        demand.target is None
        or (
            settled.versions.get(demand.name) in demand.allowed
            and set(nodes_of(demand)) <= set(settled.nodes[demand.name])
        )
        for node in settled.nodes[name]
        for demand in problem.demands(node, version)
    )
