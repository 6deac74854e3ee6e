"""What became of each version of a distribution, and which wheels fit no target."""

from __future__ import annotations

from collections.abc import Mapping

from coral_lock.finding import ERROR, WARNING, Finding
from coral_lock.inventory import BrokenDistribution
from coral_lock.names import plugin_id
from coral_lock.record import Record
from coral_lock.resolver.candidates import NO_WHEEL, PRE_RELEASE, YANKED, target_names
from coral_lock.resolver.requirements import needed_nodes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from typing import TypeAlias

    from packaging.version import Version

    from coral_lock.descriptor.model import Descriptor, PluginRequest
    from coral_lock.inventory import EntryPoint, FoundDistribution
    from coral_lock.resolver.planning import Chosen, Parts, Plan
    from coral_lock.resolver.requirements import Demand, Incoming, Node


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


if TYPE_CHECKING:
    ReadWheel: TypeAlias = Callable[[str, str], FoundDistribution | None]
    """Returns what a wheel says of itself that fits no target.

    It is called with the distribution and the file name, one of `ReleaseSource.unfitting`.
    """


_MAX_WHEELS_SHOWN = 6


class Unfit(Record):
    """A distribution that offers plugins and of which no version fits any target.

    Args:
        name: the distribution.
        ids: the plugins' ids, made of the entry points of its newest wheel, sorted.
    """

    name: str
    ids: tuple[str, ...]


class UnfitPlugins:
    """Finds what would vanish without a word.

    Args:
        parts: what there is to choose from.
        descriptor: what is wanted.
        read: reads a wheel that fits no target.
    """

    def __init__(self, parts: Parts, descriptor: Descriptor, read: ReadWheel) -> None:
        self._parts = parts
        self._releases = parts.releases
        self._descriptor = descriptor
        self._read = read
        self.distributions = tuple(self._find())

    def findings(self, elsewhere: Collection[str]) -> Iterator[Finding]:
        """Yield what is wanted and fits nowhere: an error for what is asked for.

        Args:
            elsewhere: the plugins that another distribution offers, or of which it is
                told elsewhere why they can't be had.
        """
        for unfit in self.distributions:
            for identifier in unfit.ids:
                group, _, name = identifier.partition(":")
                request = self._descriptor.request(group, name)
                if identifier not in elsewhere and self._is_wanted(group, unfit.name, request):
                    yield self._finding(unfit.name, identifier, request)

    def partial_findings(
        self, versions: Mapping[str, str], given_up: Collection[str]
    ) -> Iterator[Finding]:
        """Yield a warning for each optional plugin that isn't for every target.

        Args:
            versions: what was chosen, by name.
            given_up: the plugins of which it is told elsewhere why they are left out.
        """
        for request in self._descriptor.requests:
            if not (request.enabled and request.optional):
                continue
            identifier = plugin_id(request.group, request.name)
            if identifier in given_up:
                continue
            offering = {
                target: name
                for name in self._parts.offers.names
                for target in self._releases.targets
                if name in versions and self._offers(name, versions[name], target, identifier)
            }
            for name in sorted(set(offering.values())):
                lacking = [each for each in self._releases.targets if each not in offering]
                reason = self._releases.hindrance(name, versions[name], lacking)
                if reason is not None:
                    yield Finding(
                        code="wrong-platform",
                        severity=WARNING,
                        subject=identifier,
                        summary=f"`{name}` {versions[name]}, which offers the optional "
                        f"`{identifier}`, isn't for every target, so it is left out for "
                        + " and ".join(f"`{each}`" for each in lacking),
                        found=reason,
                        where=request.where,
                        hint=f"add a wheel of `{name}` {versions[name]} that fits "
                        + target_names(lacking),
                    )

    def _offers(self, name: str, version: str, target: str, identifier: str) -> bool:
        offered = self._parts.offers.at(name, version, target)
        return any(plugin.id == identifier for plugin in offered)

    def _find(self) -> Iterator[Unfit]:
        for name in self._releases.names():
            if self._fits_anywhere(name):
                continue
            ids = {plugin_id(each.group, each.name) for each in self._newest_entry_points(name)}
            if ids:
                yield Unfit(name=name, ids=tuple(sorted(ids)))

    def _fits_anywhere(self, name: str) -> bool:
        return any(
            self._releases.can_have(name, version, target)
            for version in self._releases.versions(name)
            for target in self._releases.targets
        )

    def _newest_entry_points(self, name: str) -> tuple[EntryPoint, ...]:
        """Return what the newest wheel declares, of all that a distribution has."""
        files = self._unfitting_files(name)
        versions = self._releases.newest_first(name)
        found: FoundDistribution | None = None
        if files and not (versions and self._is_newer(versions[0], next(iter(files.values())))):
            found = self._read(name, next(iter(files)))
        elif versions:
            at_targets = (
                self._releases.distribution(name, versions[0], target)
                for target in self._releases.targets
            )
            found = next((each for each in at_targets if each is not None), None)
        return () if found is None or isinstance(found, BrokenDistribution) else found.entry_points

    def _is_newer(self, version: str, than: Version) -> bool:
        parsed = self._releases.parsed(version)
        return parsed is not None and parsed > than

    def _unfitting_files(self, name: str) -> dict[str, Version]:
        """Return the wheels whose tags fit no target, with their versions, newest first."""
        from packaging.utils import InvalidWheelFilename, parse_wheel_filename

        unfitting = [set(source.unfitting(name)) for source in self._releases.sources.values()]
        files = {}
        for file_name in sorted(set.intersection(*unfitting)) if unfitting else ():
            try:
                files[file_name] = parse_wheel_filename(file_name)[1]
            except InvalidWheelFilename:
                continue
        return dict(sorted(files.items(), key=lambda item: item[1], reverse=True))

    def _is_wanted(self, group: str, name: str, request: PluginRequest | None) -> bool:
        descriptor = self._descriptor
        if descriptor.unloaded(group) is not None:
            return False
        if request is not None:
            return request.enabled and request.distribution in (None, name)
        return descriptor.discover != "listed"

    def _finding(self, name: str, identifier: str, request: PluginRequest | None) -> Finding:
        is_asked = request is not None and not request.optional
        targets = self._releases.targets
        place = "any target" if any(targets) else "this interpreter"
        fitting = f"that fits {target_names(targets)}".rstrip()
        return Finding(
            code="wrong-platform",
            severity=ERROR if is_asked else WARNING,
            subject=identifier,
            summary=f"no wheel of `{name}`, which offers `{identifier}`, fits {place}"
            + ("" if is_asked else ", so it is left out"),
            found=self._misfits(name),
            where=request.where if request else None,
            hint=f"add a wheel of `{name}` {fitting}, or switch `{identifier}` off",
        )

    def _misfits(self, name: str) -> str:
        """Return the wheels and why each fits no target, the newest version first."""
        targets = self._releases.targets
        files = self._unfitting_files(name)
        tag = f"its wheel tag doesn't fit {target_names(targets)}".rstrip()
        misfits = [(str(files[file_name]), f"{file_name} ({tag})") for file_name in files]
        for version in self._releases.versions(name):
            misfits.append(
                (version, f"{version} ({self._releases.hindrance(name, version, targets)})")
            )
        misfits.sort(key=lambda each: (self._releases.order(each[0]), each[1]), reverse=True)
        more = len(misfits) - _MAX_WHEELS_SHOWN
        shown = "; ".join(text for _, text in misfits[:_MAX_WHEELS_SHOWN])
        return shown + (f" and {more} more" if more > 0 else "")
