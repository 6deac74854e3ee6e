"""Following demands: every distribution gets its best version, until nothing changes."""

from __future__ import annotations

from coral_lock.choose.demand import Incoming, Source, nodes_of
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from coral_lock.choose.demand import Node
    from coral_lock.choose.problem import Problem

_MAX_ROUNDS = 24
_LAST_ROUNDS = 6
"""The rounds in which what goes in a circle is remembered."""


class Settled(Record):
    """Where following the demands led.

    Args:
        versions: the version of everything that is needed, by name, in order.
        nodes: what is needed, by name.
        incoming: what is demanded of each distribution, by name; where versions go in a
            circle, what each of them demands.
        conflicts: the distributions of which no version meets all that is demanded.
        restless: the distributions whose version depends on each other's in a circle.
    """

    versions: Mapping[str, str]
    nodes: Mapping[str, tuple[Node, ...]]
    incoming: Mapping[str, tuple[Incoming, ...]]
    conflicts: tuple[str, ...]
    restless: tuple[str, ...] = ()


def settle(
    problem: Problem,
    pinned: Mapping[str, str] | None = None,
    dead: Collection[tuple[Node, str]] = (),
    *,
    is_lenient: bool = False,
) -> Settled:
    """Give every distribution the best version that meets what is demanded of it.

    What is demanded depends on the versions, so this is repeated until nothing changes.
    Then each version is the best one that the others allow.

    Args:
        problem: what has to be met.
        pinned: versions that stay as they are.
        dead: nodes and versions that they can't have in any solution.
        is_lenient: whether a distribution of which no version meets the demands gets its
            best one all the same, so that what that one demands is followed too.
    """
    walk = _Walk(problem, pinned or {}, dead, is_lenient)
    restless: set[str] = set()
    seen: dict[str, dict[Incoming, None]] = {}
    for rounds_left in range(_MAX_ROUNDS, 0, -1):
        walk.follow()
        changed = walk.improve()
        if not changed:
            restless, seen = set(), {}
            break
        if rounds_left <= _LAST_ROUNDS:
            restless.update(changed)
            for name, incoming in walk.incoming.items():
                seen.setdefault(name, {}).update(dict.fromkeys(incoming))
    demanded = seen or walk.incoming
    return Settled(
        versions={
            name: version
            for name, version in sorted(walk.versions.items())
            if version is not None and name in walk.nodes
        },
        nodes={name: tuple(walk.nodes[name]) for name in sorted(walk.nodes)},
        incoming={name: tuple(demanded[name]) for name in sorted(demanded)},
        conflicts=tuple(sorted(walk.conflicts & set(walk.nodes))),
        restless=tuple(sorted(restless)),
    )


class _Walk:
    """One pass after another over what is demanded, with the versions of the pass before."""

    def __init__(
        self,
        problem: Problem,
        pinned: Mapping[str, str],
        dead: Collection[tuple[Node, str]],
        is_lenient: bool,
    ) -> None:
        self._problem = problem
        self._pinned = pinned
        self._dead = dead
        self._is_lenient = is_lenient
        self.versions: dict[str, str | None] = {}
        self.nodes: dict[str, dict[Node, None]] = {}
        self.incoming: dict[str, list[Incoming]] = {}
        self.conflicts: set[str] = set()
        self._sources: dict[tuple[Node, str], Source] = {}

    def follow(self) -> None:
        """Walk from the roots over everything that the versions so far demand."""
        self.nodes, self.incoming = {}, {}
        waiting: list[Node] = []
        for root in self._problem.roots:
            self._add(root, waiting)
        for node in waiting:
            name = node[0]
            if name not in self.versions:
                self._set_best(name)
            version = self.versions.get(name)
            if version is None:
                continue
            source = self._sources.get((node, version))
            if source is None:
                source = Source(name=name, version=version, extra=node[1], target=node[2])
                self._sources[node, version] = source
            for demand in self._problem.demands(node, version):
                self._add(Incoming(demand=demand, source=source), waiting)

    def _add(self, incoming: Incoming, waiting: list[Node]) -> None:
        name = incoming.demand.name
        self.incoming.setdefault(name, []).append(incoming)
        for node in nodes_of(incoming.demand):
            known = self.nodes.setdefault(name, {})
            if node not in known:
                known[node] = None
                waiting.append(node)

    def improve(self) -> list[str]:
        """Give what is needed its best version again; return the names where that changed."""
        self.conflicts = set()
        for name in [name for name in self.versions if name not in self.nodes]:
            del self.versions[name]
        changed = []
        for name in self.nodes:
            before = self.versions.get(name)
            self._set_best(name)
            if self.versions[name] != before:
                changed.append(name)
        return changed

    def _set_best(self, name: str) -> None:
        incoming = self.incoming[name]
        demands = [each.demand for each in incoming]
        nodes = tuple(self.nodes[name])
        candidates = self._problem.candidates(name, demands, nodes, self._dead)
        pin = self._pinned.get(name)
        best = next((each for each in candidates if pin in (None, each)), None)
        fits = best is not None
        if best is None and self._is_lenient:
            best = pin or self._best_of_all(name, nodes)
        if not fits:
            self.conflicts.add(name)
        self.versions[name] = best

    def _best_of_all(self, name: str, nodes: tuple[Node, ...]) -> str | None:
        return next(self._problem.candidates(name, (), nodes), None)
