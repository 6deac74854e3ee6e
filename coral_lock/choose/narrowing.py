"""Ruling out versions without trying any: what must hold whichever versions are taken."""

from __future__ import annotations

from coral_lock.choose.demand import nodes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from coral_lock.choose.demand import Demand, Node
    from coral_lock.choose.problem import Problem


def narrowed(
    problem: Problem,
    names: Collection[str],
    dead: Collection[tuple[Node, str]],
    *,
    is_thorough: bool = False,
) -> Mapping[str, frozenset[str]] | None:
    """Return the versions that some distributions can still have, None if one has none.

    What every remaining version of a needed distribution demands is demanded for certain,
    and a version that demands what can't be is none that remains. Long chains of
    requirements are settled by this, where trying one version after another would take
    time that grows by a factor with each link.

    Args:
        problem: what has to be met; what it demands of other distributions is left out.
        names: the distributions.
        dead: nodes and versions that they can't have in any solution.
        is_thorough: whether each version of what is needed is ruled out, too, if it leads
            to a contradiction by itself.
    """
    narrowing = _Narrowing(problem, names, dead)
    roots = [root.demand for root in problem.roots if root.demand.name in names]
    if not all(narrowing.hold(root.name, root.allowed, nodes_of(root)) for root in roots):
        return None
    if not narrowing.run() or (is_thorough and not narrowing.probe()):
        return None
    return narrowing.possible


class _Narrowing:
    def __init__(
        self, problem: Problem, names: Collection[str], dead: Collection[tuple[Node, str]]
    ) -> None:
        self._problem = problem
        self._dead = dead
        self._needed: dict[Node, None] = {}
        self._users: dict[str, dict[Node, None]] = {}
        self._waiting: dict[Node, None] = {}
        self.possible = {name: frozenset(problem.releases.versions(name)) for name in sorted(names)}

    def hold(self, name: str, allowed: frozenset[str], nodes: Sequence[Node]) -> bool:
        """Note what is certain of a distribution; return whether it has any version left."""
        left = self.possible[name] & allowed
        for node in nodes:
            if node not in self._needed:
                self._needed[node] = None
                self._waiting[node] = None
        if left != self.possible[name]:
            self.possible[name] = left
            for node in self._needed:
                if node[0] == name:
                    self._waiting[node] = None
            for node in self._users.get(name, {}):
                if node in self._needed:
                    self._waiting[node] = None
        return bool(left) or not any(node[0] == name for node in self._needed)

    def run(self) -> bool:
        """Draw conclusions until there are no more; return whether all can have a version."""
        while self._waiting:
            node = next(iter(self._waiting))
            del self._waiting[node]
            if not self._conclude(node):
                return False
        return True

    def probe(self) -> bool:
        """Rule out what leads to a contradiction; return whether all can have a version."""
        has_changed = True
        while has_changed:
            has_changed = False
            for name in sorted({node[0] for node in self._needed}):
                for version in sorted(self.possible[name]):
                    if len(self.possible[name]) > 1 and not self._is_possible(name, version):
                        has_changed = True
                        left = self.possible[name] - {version}
                        if not (self.hold(name, left, ()) and self.run()):
                            return False
        return True

    def _is_possible(self, name: str, version: str) -> bool:
        """Whether nothing contradicts that a distribution has a version."""
        before = (dict(self.possible), dict(self._needed))
        is_possible = self.hold(name, frozenset((version,)), ()) and self.run()
        self.possible, self._needed = before
        self._waiting.clear()
        return is_possible

    def _conclude(self, node: Node) -> bool:
        name, _, target = node
        releases = self._problem.releases
        remaining = {}
        for version in sorted(self.possible[name]):
            if (node, version) in self._dead or not releases.can_have(name, version, target):
                continue
            demands = self._demands(node, version)
            if all(self._can_be_met(demand) for demand in demands):
                remaining[version] = demands
        if not self.hold(name, frozenset(remaining), ()):
            return False
        common = set.intersection(
            *({demand.name for demand in demands} for demands in remaining.values())
        )
        for other in sorted(common):
            meeting = [
                [demand for demand in demands if demand.name == other]
                for demands in remaining.values()
            ]
            allowed = frozenset().union(
                *(frozenset.intersection(*(each.allowed for each in some)) for some in meeting)
            )
            nodes = set.intersection(
                *({each for demand in some for each in nodes_of(demand)} for some in meeting)
            )
            if not self.hold(other, allowed, sorted(nodes)):
                return False
        return True

    def _demands(self, node: Node, version: str) -> list[Demand]:
        demands = [
            demand
            for demand in self._problem.demands(node, version)
            if demand.name in self.possible
        ]
        for demand in demands:
            self._users.setdefault(demand.name, {})[node] = None
        return demands

    def _can_be_met(self, demand: Demand) -> bool:
        return demand.target is None or not demand.allowed.isdisjoint(self.possible[demand.name])
