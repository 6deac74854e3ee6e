"""What came of every version of a distribution."""

from __future__ import annotations

from collections.abc import Mapping

from coral_lock.choose.demand import needed_nodes
from coral_lock.choose.releases import NO_WHEEL, PRE_RELEASE, YANKED
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from coral_lock.choose.demand import Demand, Incoming, Node
    from coral_lock.choose.planning import Chosen, Parts, Plan

NO_SOLUTION = "there is no solution"
_MAX_SHOWN = 5


class Considered(Record):
    """A version that could have been taken, and why it was or wasn't."""

    version: str
    verdict: str


class Verdicts(Mapping[str, "tuple[Considered, ...]"]):
    """Judges the versions of distributions by what was chosen in the end.

    It maps names to all versions of the distribution, the newest first, and what came of
    each. They are judged when they are asked for.

    Args:
        parts: what there was to choose from.
        plan: the problem and what it came to.
        chosen: what was chosen.
        names: the distributions, sorted.
    """

    def __init__(self, parts: Parts, plan: Plan, chosen: Chosen, names: Sequence[str]) -> None:
        self._releases = parts.releases
        self._plan = plan
        self._versions = chosen.versions
        self._needed = chosen.needed
        self._names = dict.fromkeys(names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, name: str) -> tuple[Considered, ...]:
        if name not in self._names:
            raise KeyError(name)
        verdicts = dict.fromkeys(self._unfitting(name), NO_WHEEL)
        for version in self._releases.newest_first(name):
            verdicts[version] = self._verdict(name, version)
        return tuple(
            Considered(version=version, verdict=verdicts[version])
            for version in sorted(verdicts, key=self._releases.order, reverse=True)
        )

    def _unfitting(self, name: str) -> Iterator[str]:
        """Yield the versions that have wheels, but none that fits any target."""
        from packaging.utils import InvalidWheelFilename, parse_wheel_filename

        there = {self._releases.parsed(each) for each in self._releases.versions(name)}
        for source in self._releases.sources.values():
            for file_name in source.unfitting(name):
                try:
                    version = parse_wheel_filename(file_name)[1]
                except InvalidWheelFilename:
                    continue
                if version not in there:
                    yield str(version)

    def _verdict(self, name: str, version: str) -> str:
        taken = self._versions[name] if name in self._needed else None
        hindrance = next(self._hindrances(name, version, taken), None)
        if hindrance is not None:
            return hindrance
        is_solved = self._plan.outcome.is_solved
        if taken is None:
            if self._is_left_out(name, version):
                return "doesn't get along with what was chosen" if is_solved else NO_SOLUTION
            return "not needed"
        if version == taken:
            if not is_solved:
                return f"would be taken, but {NO_SOLUTION}"
            return "kept: it is in the lock" if self._releases.is_kept(name, version) else "taken"
        one = "the one taken" if is_solved else "the one that would be taken"
        newest_first = self._releases.newest_first(name)
        if newest_first.index(version) > newest_first.index(taken):
            return f"older than {one}"
        if self._releases.is_kept(name, taken):
            return f"newer than {one}, which is in the lock and still fits"
        if self._releases.is_prerelease(version):
            return PRE_RELEASE
        return "doesn't get along with what else was chosen" if is_solved else NO_SOLUTION

    def _is_left_out(self, name: str, version: str) -> bool:
        """Whether a version offers a plugin that was given up."""
        return any(
            identifier in self._plan.wants.fitting(name, version, target)
            for identifier, target in self._plan.left_out
        )

    def _hindrances(self, name: str, version: str, taken: str | None) -> Iterator[str]:
        """Yield why a version can't be taken, or isn't what it should be."""
        broken = self._releases.broken(name, version)
        if broken is not None:
            yield f"can't be used: {broken.error.message}"
        nodes = self._plan.outcome.settled.nodes.get(name, ())
        targets = sorted({node[2] for node in nodes}) or self._releases.targets
        hindrance = self._releases.hindrance(name, version, targets)
        if hindrance is not None and (
            nodes or not any(self._releases.can_have(name, version, each) for each in targets)
        ):
            yield hindrance
        misfit = self._plan.wants.misfit(name, version)
        if misfit is not None:
            yield misfit
        if version != taken:
            yield from self._relations(name, version, taken)

    def _relations(self, name: str, version: str, taken: str | None) -> Iterator[str]:
        """Yield why a version that wasn't taken doesn't go with what was."""
        incoming = self._plan.outcome.settled.incoming.get(name, ())
        demands = [each.demand for each in incoming]
        for each in incoming:
            if version not in each.demand.allowed and each.source.name is not None:
                source = f"`{each.source.name}` {each.source.version}"
                yield f"{source} {each.demand.phrase()}"
        is_kept = self._releases.is_kept(name, version)
        is_pinned = any(demand.is_pin for demand in demands)
        if self._releases.is_yanked(name, version) and not (is_kept or is_pinned):
            yield YANKED
        is_early = self._releases.is_prerelease(version) and not is_kept
        if is_early and taken is not None and not self._releases.is_prerelease(taken):
            yield PRE_RELEASE
        for node in self._nodes(name, version, incoming):
            for demand in self._plan.problem.demands(node, version):
                unmet = self._unmet(demand)
                if unmet is not None:
                    yield unmet

    def _nodes(self, name: str, version: str, incoming: Sequence[Incoming]) -> tuple[Node, ...]:
        """Return how a distribution is needed, or would be if a plugin weren't given up."""
        left_out = self._plan.left_out if name not in self._needed else ()
        return needed_nodes(incoming) or tuple(
            (name, "", target)
            for identifier, target in sorted(left_out)
            if identifier in self._plan.wants.fitting(name, version, target)
        )

    def _unmet(self, demand: Demand) -> str | None:
        """Return what of a demand isn't met by what was chosen, or None."""
        found = self._versions.get(demand.name)
        if found is None and demand.allowed:
            return None
        if found in demand.allowed:
            return None
        if demand.relation is not None:
            return f"{demand.phrase()} of `{demand.name}`"
        there = found or ", ".join(self._releases.newest_first(demand.name)[:_MAX_SHOWN])
        return f"{demand.phrase()}, found {there or 'nothing'}"
