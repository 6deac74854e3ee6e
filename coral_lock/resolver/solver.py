"""Solving a problem: propagation, then narrowing, then resolvelib where versions clash."""

from __future__ import annotations

from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from resolvelib import AbstractProvider, BaseReporter, Resolver
from resolvelib.resolvers import ResolutionImpossible, ResolutionTooDeep

from coral_lock.record import Record
from coral_lock.resolver.requirements import Incoming, Source, needed_nodes, nodes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from resolvelib.structs import RequirementInformation

    from coral_lock.resolver.requirements import Demand, Node, Problem


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


_FEW_ROUNDS = 500
_MAX_SEARCH_ROUNDS = 5_000

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
    for max_rounds, is_thorough in ((_FEW_ROUNDS, False), (_MAX_SEARCH_ROUNDS, True)):
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
