"""Propagation: the best version of everything, followed until nothing changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from coral_lock.resolver.problem import Problem
from coral_lock.resolver.requirements import Node, RequirementInformation, Source

_MAX_ROUNDS = 24
_LAST_ROUNDS = 6
"""The rounds in which versions that depend on each other in a circle are collected."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Propagation:
    """Where following the requirements led.

    Args:
        versions: the version of everything that is needed, by name, sorted.
        nodes: what is needed, by name.
        incoming: the requirements on each distribution, by name; where versions depend on
            each other in a circle, those of all of them.
        conflicts: the distributions of which no version meets all requirements.
        unstable: the distributions whose versions depend on each other in a circle.
    """

    versions: Mapping[str, str]
    nodes: Mapping[str, tuple[Node, ...]]
    incoming: Mapping[str, tuple[RequirementInformation, ...]]
    conflicts: tuple[str, ...]
    unstable: tuple[str, ...] = ()

    @property
    def is_solution(self) -> bool:
        return not self.conflicts and not self.unstable

    def depths(self, *, without: str | None = None) -> dict[str, int]:
        """Return how many steps from a root everything is needed.

        Args:
            without: a distribution whose own requirements aren't followed.
        """
        depths: dict[str, int] = {}
        edges: dict[str | None, list[str]] = {}
        for name, incoming in self.incoming.items():
            for requirement, source in incoming:
                if requirement.target is not None:
                    edges.setdefault(source.name, []).append(name)
        depth, reached = 0, edges.get(None, [])
        while reached:
            fresh = [name for name in dict.fromkeys(reached) if name not in depths]
            depths.update(dict.fromkeys(fresh, depth))
            reached = [other for name in fresh if name != without for other in edges.get(name, ())]
            depth += 1
        return depths


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
    for rounds_left in range(_MAX_ROUNDS, 0, -1):
        walk.follow()
        changed = walk.improve()
        if not changed:
            unstable, seen = set(), {}
            break
        if rounds_left <= _LAST_ROUNDS:
            unstable.update(changed)
            for name, incoming in walk.incoming.items():
                seen.setdefault(name, {}).update(dict.fromkeys(incoming))
    required: Mapping[str, Iterable[RequirementInformation]] = seen or walk.incoming
    return Propagation(
        versions={
            name: version
            for name, version in sorted(walk.versions.items())
            if version is not None and name in walk.nodes
        },
        nodes={name: tuple(walk.nodes[name]) for name in sorted(walk.nodes)},
        incoming={name: tuple(required[name]) for name in sorted(required)},
        conflicts=tuple(sorted(walk.conflicts & walk.nodes.keys())),
        unstable=tuple(sorted(unstable)),
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

    def follow(self) -> None:
        """Walk from the roots over everything that the versions so far require."""
        self.nodes, self.incoming = {}, {}
        waiting: list[Node] = []
        for root in self._problem.roots:
            self._add(root, waiting)
        for node in waiting:
            name = node[0]
            if name not in self.versions:
                self._set_best(name)
            version = self.versions[name]
            if version is not None:
                source = Source(name=name, version=version)
                for requirement in self._problem.requirements(node, version):
                    self._add(RequirementInformation(requirement, source), waiting)

    def _add(self, incoming: RequirementInformation, waiting: list[Node]) -> None:
        name = incoming.requirement.name
        self.incoming.setdefault(name, []).append(incoming)
        for node in incoming.requirement.nodes():
            known = self.nodes.setdefault(name, {})
            if node not in known:
                known[node] = None
                waiting.append(node)

    def improve(self) -> list[str]:
        """Give what is needed its best version again; return the names where that changed."""
        self.conflicts = set()
        self.versions = {name: self.versions[name] for name in self.nodes}
        before = dict(self.versions)
        for name in self.nodes:
            self._set_best(name)
        return [name for name in self.nodes if self.versions[name] != before[name]]

    def _set_best(self, name: str) -> None:
        requirements = [each.requirement for each in self.incoming[name]]
        nodes = tuple(self.nodes[name])
        pin = self._pins.get(name)
        candidates = self._problem.releases.candidates(name, requirements, nodes)
        best = next((each for each in candidates if pin in (None, each)), None)
        if best is None:
            self.conflicts.add(name)
            if self._is_lenient:
                best = pin or next(self._problem.releases.candidates(name, (), nodes), None)
        self.versions[name] = best
