"""Narrowing: ruling out versions that can't be in any solution, before any search."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from coral_lock.resolver.problem import Problem
from coral_lock.resolver.requirements import Node, Requirement


def narrowed(
    problem: Problem, names: Collection[str], *, is_thorough: bool = False
) -> Mapping[str, frozenset[str]] | None:
    """Return the versions that some distributions can still have, None if one has none.

    What every remaining version of a needed distribution requires is required for certain,
    and a version that requires what can't be had is ruled out. This settles long chains of
    requirements, where trying one version after another would take time that grows by a
    factor with each link.

    Args:
        problem: what has to be met; what it requires of other distributions is left out.
        names: the distributions.
        is_thorough: whether each version of what is needed is ruled out, too, if it leads
            to a contradiction by itself.
    """
    narrowing = _Narrowing(problem, names)
    roots = [root.requirement for root in problem.roots if root.requirement.name in names]
    if not all(narrowing.hold(root.name, root.allowed, root.nodes()) for root in roots):
        return None
    if not narrowing.run() or (is_thorough and not narrowing.probe()):
        return None
    return narrowing.possible


class _Narrowing:
    def __init__(self, problem: Problem, names: Collection[str]) -> None:
        self._problem = problem
        self._needed: dict[Node, None] = {}
        self._users: dict[str, dict[Node, None]] = {}
        self._waiting: dict[Node, None] = {}
        self.possible = {name: frozenset(problem.releases.versions(name)) for name in sorted(names)}

    def hold(self, name: str, allowed: frozenset[str], nodes: Sequence[Node] = ()) -> bool:
        """Note what is certain of a distribution; return whether it has any version left."""
        for node in nodes:
            if node not in self._needed:
                self._needed[node] = None
                self._waiting[node] = None
        left = self.possible[name] & allowed
        needed = [node for node in self._needed if node[0] == name]
        if left != self.possible[name]:
            self.possible[name] = left
            users = [node for node in self._users.get(name, {}) if node in self._needed]
            self._waiting.update(dict.fromkeys((*needed, *users)))
        return bool(left) or not needed

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
                        if not (self.hold(name, self.possible[name] - {version}) and self.run()):
                            return False
        return True

    def _is_possible(self, name: str, version: str) -> bool:
        """Whether nothing contradicts that a distribution has a version."""
        before = (dict(self.possible), dict(self._needed))
        is_possible = self.hold(name, frozenset((version,))) and self.run()
        self.possible, self._needed = before
        self._waiting.clear()
        return is_possible

    def _conclude(self, node: Node) -> bool:
        name, _, target = node
        remaining = {}
        for version in sorted(self.possible[name]):
            if self._problem.releases.can_have(name, version, target):
                requirements = self._requirements(node, version)
                if all(self._can_be_met(each) for each in requirements):
                    remaining[version] = requirements
        if not self.hold(name, frozenset(remaining)):
            return False
        common = set.intersection(
            *({each.name for each in requirements} for requirements in remaining.values())
        )
        for other in sorted(common):
            of_versions = [
                [each for each in requirements if each.name == other]
                for requirements in remaining.values()
            ]
            allowed = frozenset().union(
                *(frozenset.intersection(*(each.allowed for each in some)) for some in of_versions)
            )
            nodes = set.intersection(
                *({node for each in some for node in each.nodes()} for some in of_versions)
            )
            if not self.hold(other, allowed, sorted(nodes)):
                return False
        return True

    def _requirements(self, node: Node, version: str) -> list[Requirement]:
        requirements = [
            each for each in self._problem.requirements(node, version) if each.name in self.possible
        ]
        for each in requirements:
            self._users.setdefault(each.name, {})[node] = None
        return requirements

    def _can_be_met(self, requirement: Requirement) -> bool:
        return requirement.target is None or not requirement.allowed.isdisjoint(
            self.possible[requirement.name]
        )
