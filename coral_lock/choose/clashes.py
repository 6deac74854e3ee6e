"""Choosing the versions of some distributions that can't all have their best one.

This is where `resolvelib` does its work. It is handed only the distributions of which the
best versions clash: the time and memory that it takes grow with the square of their number,
and what everything else demands of them is looked at again afterwards.
"""

from __future__ import annotations

from typing import NamedTuple

from resolvelib import AbstractProvider, BaseReporter, Resolver
from resolvelib.resolvers import ResolutionImpossible, ResolutionTooDeep

from coral_lock.choose.demand import nodes_of
from coral_lock.choose.narrowing import narrowed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from resolvelib.structs import RequirementInformation

    from coral_lock.choose.demand import Demand, Node
    from coral_lock.choose.problem import Problem

_FEW_ROUNDS = 500
_MAX_ROUNDS = 5_000

_Key: TypeAlias = "tuple[str, str, str] | tuple[str]"
"""A node of the problem; or a name alone, whose candidates all nodes of that name share."""


class SearchGivenUp(Exception):
    """The search would take too long, so nobody knows whether there is a choice."""


class _Wish(NamedTuple):
    """A requirement of `resolvelib`: a key, and the versions that do; None for any."""

    key: _Key
    allowed: frozenset[str] | None
    demand: Demand | None


class _Pick(NamedTuple):
    """A candidate of `resolvelib`."""

    key: _Key
    version: str


def choose_among(
    problem: Problem, names: Collection[str], dead: Collection[tuple[Node, str]]
) -> dict[str, str] | None:
    """Return versions of those of the distributions that are needed, None if there are none.

    Args:
        problem: what has to be met; what it demands of other distributions is left out.
        names: the distributions.
        dead: nodes and versions that they can't have in any solution.

    Raises:
        SearchGivenUp: the search would take too long.
    """
    roots = [
        wish for root in problem.roots if root.demand.name in names for wish in _wishes(root.demand)
    ]
    for max_rounds, is_thorough in ((_FEW_ROUNDS, False), (_MAX_ROUNDS, True)):
        possible = narrowed(problem, names, dead, is_thorough=is_thorough)
        if possible is None:
            return None
        provider = _Provider(problem, possible, dead)
        try:
            result = Resolver(provider, BaseReporter()).resolve(roots, max_rounds=max_rounds)
        except ResolutionTooDeep:
            continue
        except ResolutionImpossible:
            return None
        return _versions(result.mapping)
    raise SearchGivenUp


def _versions(mapping: Mapping[_Key, _Pick]) -> dict[str, str]:
    needed = {key[0] for key in mapping if len(key) > 1}
    return {
        key[0]: pick.version
        for key, pick in sorted(mapping.items())
        if len(key) == 1 and key[0] in needed
    }


def _wishes(demand: Demand) -> Iterator[_Wish]:
    yield _Wish((demand.name,), demand.allowed, demand)
    for node in nodes_of(demand):
        yield _Wish(node, None, None)


class _Provider(AbstractProvider["_Wish", "_Pick", "_Key"]):
    """Tells `resolvelib` of the problem.

    The versions of a distribution stand under its name alone, where all that is demanded of
    it meets. A node stands for being needed: it takes the version that its name has, and
    brings that version's own demands.
    """

    def __init__(
        self,
        problem: Problem,
        possible: Mapping[str, frozenset[str]],
        dead: Collection[tuple[Node, str]],
    ) -> None:
        self._problem = problem
        self._possible = possible
        self._dead = dead
        self._roots = {root.demand.name for root in problem.roots}
        self._dependencies: dict[_Pick, tuple[_Wish, ...]] = {}

    def identify(self, requirement_or_candidate: _Wish | _Pick) -> _Key:
        return requirement_or_candidate.key

    def get_preference(
        self,
        identifier: _Key,
        resolutions: Mapping[_Key, _Pick],
        candidates: Mapping[_Key, Iterator[_Pick]],
        information: Mapping[_Key, Iterator[RequirementInformation[_Wish, _Pick]]],
        backtrack_causes: Sequence[RequirementInformation[_Wish, _Pick]],
    ) -> tuple[bool, _Key]:
        """Let what the descriptor wants go first, then by name."""
        return (identifier[0] not in self._roots, identifier)

    def narrow_requirement_selection(
        self,
        identifiers: Iterable[_Key],
        resolutions: Mapping[_Key, _Pick],
        candidates: Mapping[_Key, Iterator[_Pick]],
        information: Mapping[_Key, Iterator[RequirementInformation[_Wish, _Pick]]],
        backtrack_causes: Sequence[RequirementInformation[_Wish, _Pick]],
    ) -> Iterable[_Key]:
        """Look first at what clashed last."""
        causes = {each.requirement.key for each in backtrack_causes}
        causes.update(each.parent.key for each in backtrack_causes if each.parent is not None)
        found = list(identifiers)
        return [identifier for identifier in found if identifier in causes] or found

    def find_matches(
        self,
        identifier: _Key,
        requirements: Mapping[_Key, Iterator[_Wish]],
        incompatibilities: Mapping[_Key, Iterator[_Pick]],
    ) -> Sequence[_Pick]:
        wishes = list(requirements[identifier])
        refused = {pick.version for pick in incompatibilities[identifier]}
        name = identifier[0]
        if len(identifier) == 1:
            demands = [wish.demand for wish in wishes if wish.demand is not None]
            exact = [wish.allowed for wish in wishes if wish.demand is None and wish.allowed]
            versions: Iterable[str] = (
                version
                for version in self._problem.candidates(name, demands, ())
                if version in self._possible[name] and all(version in allowed for allowed in exact)
            )
        else:
            releases = self._problem.releases
            versions = (
                version
                for version in releases.versions(name)
                if version in self._possible[name]
                and (identifier, version) not in self._dead
                and releases.can_have(name, version, identifier[2])
            )
        return [_Pick(identifier, version) for version in versions if version not in refused]

    def is_satisfied_by(self, requirement: _Wish, candidate: _Pick) -> bool:
        return requirement.allowed is None or candidate.version in requirement.allowed

    def get_dependencies(self, candidate: _Pick) -> Iterable[_Wish]:
        if candidate not in self._dependencies:
            self._dependencies[candidate] = tuple(self._derive(candidate))
        return self._dependencies[candidate]

    def _derive(self, pick: _Pick) -> Iterator[_Wish]:
        key = pick.key
        if len(key) == 1:
            return
        yield _Wish((key[0],), frozenset((pick.version,)), None)
        for demand in self._problem.demands(key, pick.version):
            if demand.name in self._possible:
                yield from _wishes(demand)
