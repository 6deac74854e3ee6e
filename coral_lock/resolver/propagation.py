"""A problem, and what follows from it without a search: propagation and narrowing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from coral_lock.resolver.releases import (
    Node,
    Releases,
    Requirement,
    RequirementInformation,
    Source,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """What a choice of versions has to meet.

    Args:
        releases: the versions to choose from.
        roots: the requirements that hold whatever is chosen.
        requirements: returns what a version requires where it is needed.
    """

    releases: Releases
    roots: tuple[RequirementInformation, ...]
    requirements: Callable[[Node, str], tuple[Requirement, ...]]

    def with_roots(self, names: Collection[str]) -> Problem:
        """Return the problem in which only some distributions are required from the start."""
        roots = tuple(root for root in self.roots if root.requirement.name in names)
        return replace(self, roots=roots)

    def root_names(self) -> list[str]:
        """Return the distributions that are required whatever is chosen, sorted."""
        return sorted({root.requirement.name for root in self.roots})


_MAX_PASSES = 24
_LAST_PASSES = 6
"""The last passes, in which versions that depend on each other in a circle are collected."""


Chain = tuple[RequirementInformation, ...]
"""How a requirement comes about: from the descriptor's over versions that require each other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Propagation:
    """Where following the requirements led.

    Args:
        versions: the version of everything that is needed, by name, sorted.
        nodes: what is needed, by name.
        incoming: the requirements on each distribution, by name; where versions depend on
            each other in a circle, those of all of them.
        conflicts: the distributions of which no version meets all requirements; if there
            are none, those whose versions depend on each other in a circle.
    """

    versions: Mapping[str, str]
    nodes: Mapping[str, tuple[Node, ...]]
    incoming: Mapping[str, tuple[RequirementInformation, ...]]
    conflicts: tuple[str, ...]

    @property
    def is_solution(self) -> bool:
        return not self.conflicts

    def depths(self, *, without: str | None = None) -> dict[str | None, int]:
        """Return how many steps from the descriptor, which is None, everything is needed.

        Args:
            without: a distribution whose own requirements aren't followed.
        """
        needs: dict[str | None, list[str]] = {}
        for name, incoming in self.incoming.items():
            for requirement, source in incoming:
                if requirement.target is not None:
                    needs.setdefault(source.name, []).append(name)
        if without is not None:
            needs.pop(without, None)
        depths: dict[str | None, int] = {None: 0}
        waiting: list[str | None] = [None]
        for source_name in waiting:
            for name in needs.get(source_name, ()):
                if name not in depths:
                    depths[name] = depths[source_name] + 1
                    waiting.append(name)
        return depths

    def chain(self, incoming: RequirementInformation, depths: Mapping[str | None, int]) -> Chain:
        """Return how a requirement comes about: the shortest way from the descriptor's."""
        chain = [incoming]
        while (name := chain[0].source.name) is not None:
            needing = [each for each in self.incoming[name] if each.requirement.target is not None]
            chain.insert(0, min(needing, key=lambda each: depths[each.source.name]))
        return tuple(chain)


def propagate(
    problem: Problem, pins: Mapping[str, str] | None = None, *, is_lenient: bool = False
) -> Propagation:
    """Give every distribution the best version that meets the requirements on it.

    What is required depends on the versions, so this is repeated until nothing changes.
    Then each version is the best one that the others allow.

    Args:
        problem: what has to be met.
        pins: versions that stay as they are.
        is_lenient: whether a distribution of which no version meets the requirements gets
            its best one anyway, so that the requirements of that one are followed too.
    """
    walk = _Walk(problem, pins or {}, is_lenient)
    unstable: set[str] = set()
    seen: dict[str, dict[RequirementInformation, None]] = {}
    for passes_left in range(_MAX_PASSES, 0, -1):
        changed = walk.repeat()
        if not changed:
            unstable, seen = set(), {}
            break
        if passes_left <= _LAST_PASSES:
            unstable.update(changed)
            for name, incoming in walk.incoming.items():
                seen.setdefault(name, {}).update(dict.fromkeys(incoming))
    required: Mapping[str, Iterable[RequirementInformation]] = seen or walk.incoming
    return Propagation(
        versions={name: text for name, text in sorted(walk.versions.items()) if text is not None},
        nodes={name: tuple(walk.nodes[name]) for name in sorted(walk.nodes)},
        incoming={name: tuple(required[name]) for name in sorted(required)},
        conflicts=tuple(sorted(walk.conflicts & walk.nodes.keys() or unstable)),
    )


class _Walk:
    """One pass after another over what is required, with the versions of the pass before."""

    def __init__(self, problem: Problem, pins: Mapping[str, str], is_lenient: bool) -> None:
        self._problem = problem
        self._pins = pins
        self._is_lenient = is_lenient
        self.versions: dict[str, str | None] = {}
        self.nodes: dict[str, dict[Node, None]] = {}
        self.incoming: dict[str, list[RequirementInformation]] = {}
        self.conflicts: set[str] = set()

    def repeat(self) -> list[str]:
        """Follow all requirements, and give what is needed its best version again.

        Returns:
            The names where that changed.
        """
        self.nodes, self.incoming = {}, {}
        waiting: list[Node] = []
        for root in self._problem.roots:
            self._add(root, waiting)
        for node in waiting:
            name = node[0]
            if name not in self.versions:
                self.versions[name] = self._best(name)
            version = self.versions[name]
            if version is not None:
                source = Source(name=name, version=version)
                for requirement in self._problem.requirements(node, version):
                    self._add(RequirementInformation(requirement, source), waiting)
        self.conflicts = set()
        before = self.versions
        self.versions = {name: self._best(name) for name in self.nodes}
        return [name for name in self.nodes if self.versions[name] != before[name]]

    def _add(self, incoming: RequirementInformation, waiting: list[Node]) -> None:
        name = incoming.requirement.name
        self.incoming.setdefault(name, []).append(incoming)
        for node in incoming.requirement.nodes():
            known = self.nodes.setdefault(name, {})
            if node not in known:
                known[node] = None
                waiting.append(node)

    def _best(self, name: str) -> str | None:
        requirements = [each.requirement for each in self.incoming[name]]
        nodes = tuple(self.nodes[name])
        pin = self._pins.get(name)
        candidates = self._problem.releases.candidates(name, requirements, nodes)
        best = next((each for each in candidates if pin in (None, each)), None)
        if best is None:
            self.conflicts.add(name)
            if self._is_lenient:
                best = pin or next(self._problem.releases.candidates(name, (), nodes), None)
        return best


def narrowed(problem: Problem, names: Collection[str]) -> Mapping[str, frozenset[str]] | None:
    """Return the versions that some distributions can still have, None if one has none.

    What every remaining version of a needed distribution requires is required for certain,
    and a version that requires what can't be installed is ruled out. This settles long chains of
    requirements, where trying one version after another would take time that grows by a
    factor with each link.

    Args:
        problem: what has to be met; what it requires of other distributions is left out.
        names: the distributions.
    """
    narrowing = _Narrowing(problem, names)
    roots = [root.requirement for root in problem.with_roots(names).roots]
    if not all(narrowing.hold(root.name, root.allowed, root.nodes()) for root in roots):
        return None
    return narrowing.possible if narrowing.run() else None


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
