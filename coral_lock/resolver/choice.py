"""Choosing one version of every distribution: the newest set that meets all requirements."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from coral_lock.descriptor.model import Descriptor, PluginRequest
from coral_lock.finding import ERROR, WARNING, Finding, sorted_findings
from coral_lock.inventory import BrokenDistribution, EntryPoint, FoundDistribution, ReleaseSource
from coral_lock.locking.decision import broken_finding
from coral_lock.locking.discovery import Evidence
from coral_lock.names import plugin_id, split_plugin_id
from coral_lock.resolver.explanation import causes_of, explained, listed
from coral_lock.resolver.inputs import DeclaredRequirements, Hosts, Inputs, PluginIndex
from coral_lock.resolver.planning import Plan, best_versions, plan, plan_with_most_optional
from coral_lock.resolver.releases import (
    NO_WHEEL,
    Releases,
    Requirement,
    needed_nodes,
    target_names,
)

ReadWheel = Callable[[str, str], "FoundDistribution | None"]
"""Returns the metadata of a wheel that fits no target.

It is called with the distribution and the file name, one of `ReleaseSource.unfitting`.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class CandidateReport:
    """A version that could have been taken, and why it was or wasn't."""

    version: str
    verdict: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Which versions were chosen.

    Args:
        versions: a version of every distribution that takes part, by name: of what the
            plugins and the hosts need, and of everything that declares plugins.
        absent: for each target the distributions whose version can't be installed there.
        findings: why there is no choice that meets all requirements, why optional plugins
            are left out, and what fits no target, in a fixed order.
        considered: for each of the distributions, and each that offers plugins and fits no
            target, every version, the newest first, and what became of it. An entry is made
            when it is asked for, as all the wheels of the distribution are read for it.
        known: the ids of all plugins that any wheel offers, whatever it fits.
        compared: the plugins of which a finding says what is wrong with each of several
            versions.
    """

    versions: Mapping[str, str]
    absent: Mapping[str, frozenset[str]]
    findings: tuple[Finding, ...]
    considered: Mapping[str, tuple[CandidateReport, ...]]
    known: frozenset[str]
    compared: frozenset[str]

    def versions_for(self, target: str) -> dict[str, str]:
        """Return the versions that can be installed on a target, by name."""
        absent = self.absent[target]
        return {name: version for name, version in self.versions.items() if name not in absent}


def choose(
    sources: Mapping[str, ReleaseSource],
    descriptor: Descriptor,
    *,
    kept: Mapping[str, str],
    read_unfitting: ReadWheel = lambda name, file_name: None,
    evidence: Evidence | None = None,
) -> Choice:
    """Choose one version of each distribution, the same for all targets.

    It is the newest set that meets all requirements: of what is requested and of everything
    else that the descriptor wants, with all that these and the hosts require. An optional
    plugin is left out where there is no such set with it.

    Args:
        sources: the releases to choose from, by the name of the target.
        descriptor: what this runtime should run.
        kept: versions to prefer while they fit, by the distribution's name.
        read_unfitting: reads a wheel that fits no target, to find the plugins it offers.
        evidence: what is known of distributions from earlier in this run; more is added.
    """
    releases = Releases(sources, kept)
    hosts = Hosts(releases, descriptor)
    requirements = DeclaredRequirements(releases, hosts.provided())
    inputs = Inputs(
        descriptor=descriptor,
        releases=releases,
        requirements=requirements,
        plugins=PluginIndex(releases, descriptor, evidence or Evidence()),
        hosts=hosts,
        program=tuple(requirements.of_program(descriptor.program_requires)),
    )
    planned = plan_with_most_optional(inputs)
    versions, needed = best_versions(inputs, planned)
    explanation = explained(tuple(causes_of(planned.problem, planned.outcome)), inputs, planned)
    incompatible = _IncompatiblePlugins(inputs, read_unfitting)
    offered = inputs.plugins.ids().union(*planned.plugins.requested.values())
    omitted = {identifier for identifier, _ in planned.omitted}
    return Choice(
        versions=versions,
        absent={
            target: frozenset(
                name for name in versions if not releases.can_have(name, versions[name], target)
            )
            for target in releases.targets
        },
        findings=sorted_findings(
            {
                *explanation.findings,
                *(_omissions(inputs, planned) if planned.is_solved else ()),
                *_ignored_wheels(inputs, planned, versions, needed),
                *incompatible.findings(offered),
                *_partial_findings(inputs, versions, omitted),
            }
        ),
        considered=_CandidateReports(
            inputs, planned, versions, needed, {*versions, *inputs.plugins.names, *incompatible.ids}
        ),
        known=offered.union(*incompatible.ids.values()),
        compared=explanation.compared,
    )


def _omissions(inputs: Inputs, chosen: Plan) -> Iterator[Finding]:
    """Yield a warning for each optional plugin that is left out: why it can't be installed."""
    for identifier in sorted({identifier for identifier, _ in chosen.omitted}):
        units = {unit for unit in chosen.omitted if unit[0] == identifier}
        offered = {unit for unit in inputs.plugins.optional if unit[0] == identifier}
        targets = " and ".join(f"`{target}`" for _, target in sorted(units))
        place = f" for {targets}" if units != offered else ""
        request = inputs.descriptor.request(*split_plugin_id(identifier))
        attempt = plan(inputs, chosen.omitted - units)
        causes = tuple(islice(causes_of(attempt.problem, attempt.outcome), 1))
        for finding in explained(causes, inputs, attempt).findings[:1]:
            yield finding.replace(
                severity=WARNING,
                subject=identifier,
                summary=f"{finding.summary}; the optional `{identifier}` is left out{place}",
                where=request.where if request else None,
            )


def _ignored_wheels(
    inputs: Inputs, planned: Plan, versions: Mapping[str, str], needed: frozenset[str]
) -> Iterator[Finding]:
    """Yield an error for each broken wheel of a version that comes before the one chosen.

    What such a wheel offers and requires can't be known, so it is unknown whether it would
    have been taken.
    """
    releases = inputs.releases
    for name in sorted(
        needed.union(inputs.plugins.names, inputs.plugins.unreadable) & versions.keys()
    ):
        requirements = [
            requirement
            for requirement, source in planned.outcome.propagation.incoming.get(name, ())
            if not source.plugins
        ]
        is_early = releases.is_prerelease(versions[name])
        for version in releases.versions(name):
            if version == versions[name]:
                break
            broken = releases.broken(name, version)
            is_avoided = releases.is_prerelease(version) and not is_early
            if (
                broken is not None
                and (not is_avoided or releases.is_kept(name, version))
                and all(version in requirement.allowed for requirement in requirements)
            ):
                yield broken_finding(broken)


_NO_SOLUTION = "there is no solution"
_MAX_SHOWN = 5
_MAX_WHEELS_SHOWN = 6


class _CandidateReports(Mapping[str, tuple[CandidateReport, ...]]):
    """Maps names to all versions of a distribution, the newest first, and what became of each.

    They are judged when they are asked for.

    Args:
        inputs: what there was to choose from.
        plan: the problem and its outcome.
        versions: what was chosen, by name.
        needed: which of these are needed.
        names: the distributions.
    """

    def __init__(
        self,
        inputs: Inputs,
        plan: Plan,
        versions: Mapping[str, str],
        needed: Collection[str],
        names: Collection[str],
    ) -> None:
        self._releases = inputs.releases
        self._plan = plan
        self._versions = versions
        self._needed = needed
        self._names = sorted(names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, name: str) -> tuple[CandidateReport, ...]:
        if name not in self._names:
            raise KeyError(name)
        verdicts = {
            version: self._verdict(name, version) for version in self._releases.versions(name)
        }
        known = {self._releases.parsed(version) for version in verdicts}
        for source in self._releases.sources.values():
            for file_name in source.unfitting(name):
                version = _wheel_version(file_name)
                if version is not None and self._releases.parsed(version) not in known:
                    verdicts[version] = NO_WHEEL
        return tuple(
            CandidateReport(version=version, verdict=verdicts[version])
            for version in sorted(verdicts, key=self._releases.order, reverse=True)
        )

    def _verdict(self, name: str, version: str) -> str:
        releases, is_solved = self._releases, self._plan.is_solved
        taken = self._versions[name] if name in self._needed else None
        obstacle = next(self._obstacles(name, version, taken), None)
        if obstacle is not None:
            return obstacle
        if taken is None:
            if any(
                identifier in self._plan.plugins.fitting(name, version, target)
                for identifier, target in self._plan.omitted
            ):
                return "conflicts with what was chosen" if is_solved else _NO_SOLUTION
            return "not needed"
        if version == taken:
            if not is_solved:
                return f"would be taken, but {_NO_SOLUTION}"
            return "kept: it is in the lock" if releases.is_kept(name, version) else "taken"
        if releases.order(version) < releases.order(taken):
            return f"older than {taken}"
        if releases.is_kept(name, taken):
            return f"newer than {taken}, which is in the lock and still fits"
        if releases.is_prerelease(version):
            return "pre-release"
        return "conflicts with what else was chosen" if is_solved else _NO_SOLUTION

    def _obstacles(self, name: str, version: str, taken: str | None) -> Iterator[str]:
        """Yield why a version can't be taken, or isn't what it should be."""
        broken = self._releases.broken(name, version)
        if broken is not None:
            yield f"can't be used: {broken.error.message}"
        nodes = self._plan.outcome.propagation.nodes.get(name, ())
        targets = sorted({node[2] for node in nodes}) or self._releases.targets
        misfit = self._releases.misfit(name, version, targets)
        if misfit is not None and (nodes or not self._releases.targets_of(name, version)):
            yield misfit
        unsuited = self._plan.plugins.misfit(name, version)
        if unsuited is not None:
            yield unsuited
        if version != taken:
            yield from self._requirements(name, version, taken)

    def _requirements(self, name: str, version: str, taken: str | None) -> Iterator[str]:
        """Yield why a version that wasn't taken doesn't fit what was."""
        incoming = self._plan.outcome.propagation.incoming.get(name, ())
        for requirement, source in incoming:
            if version not in requirement.allowed and source.name is not None:
                yield f"`{source.name}` {source.version} {requirement.phrase()}"
        releases = self._releases
        is_early = releases.is_prerelease(version) and not releases.is_kept(name, version)
        if is_early and taken and not releases.is_prerelease(taken):
            yield "pre-release"
        omitted = self._plan.omitted if name not in self._needed else ()
        nodes = needed_nodes(incoming) or [
            (name, "", target)
            for identifier, target in sorted(omitted)
            if identifier in self._plan.plugins.fitting(name, version, target)
        ]
        for node in nodes:
            for requirement in self._plan.problem.requirements(node, version):
                yield from self._unmet(requirement)

    def _unmet(self, requirement: Requirement) -> Iterator[str]:
        """Yield what of a requirement isn't met by what was chosen."""
        found = self._versions.get(requirement.name)
        if found in requirement.allowed or (found is None and requirement.allowed):
            return
        if requirement.relation is not None:
            yield f"{requirement.phrase()} of `{requirement.name}`"
        else:
            versions = self._releases.newest_first(requirement.name)[:_MAX_SHOWN]
            yield f"{requirement.phrase()}, found {found or ', '.join(versions) or 'nothing'}"


def _wheel_version(file_name: str) -> str | None:
    """Return the version of a wheel by its file name, None if that isn't a wheel's."""
    try:
        return str(parse_wheel_filename(file_name)[1])
    except InvalidWheelFilename:
        return None


class _IncompatiblePlugins:
    """The plugins of distributions that fit no target, so that they don't vanish silently.

    Args:
        inputs: what there is to choose from.
        read: reads a wheel that fits no target.
    """

    def __init__(self, inputs: Inputs, read: ReadWheel) -> None:
        self._inputs = inputs
        self._releases = inputs.releases
        self._read = read
        self.ids: dict[str, list[str]] = {}
        for name in self._releases.names():
            versions = self._releases.versions(name)
            if not any(self._releases.targets_of(name, version) for version in versions):
                ids = {plugin_id(each.group, each.name) for each in self._newest_entry_points(name)}
                if ids:
                    self.ids[name] = sorted(ids)

    def findings(self, elsewhere: Collection[str]) -> Iterator[Finding]:
        """Yield what is wanted and fits nowhere: an error for what is requested.

        Args:
            elsewhere: the plugins that another distribution offers, or that other findings
                are about.
        """
        for name, ids in self.ids.items():
            for identifier in ids:
                request = self._inputs.descriptor.request(*split_plugin_id(identifier))
                if identifier not in elsewhere and self._is_wanted(name, identifier, request):
                    yield self._finding(name, identifier, request)

    def _is_wanted(self, name: str, identifier: str, request: PluginRequest | None) -> bool:
        descriptor = self._inputs.descriptor
        if descriptor.unloaded(split_plugin_id(identifier)[0]) is not None:
            return False
        if request is not None:
            return request.enabled and request.distribution in (None, name)
        return descriptor.discover != "listed"

    def _newest_entry_points(self, name: str) -> tuple[EntryPoint, ...]:
        """Return what the newest wheel declares, of all that a distribution has."""
        versions, files = self._releases.newest_first(name), self._files(name)
        found: FoundDistribution | None = None
        if files and (
            not versions or self._releases.order(files[0][0]) >= self._releases.order(versions[0])
        ):
            found = self._read(name, files[0][1])
        elif versions:
            for target in self._releases.targets:
                found = found or self._releases.distribution(name, versions[0], target)
        return () if found is None or isinstance(found, BrokenDistribution) else found.entry_points

    def _files(self, name: str) -> list[tuple[str, str]]:
        """Return the versions and file names of wheels that fit no target, the newest first."""
        sources = self._releases.sources.values()
        unfitting = set.intersection(*(set(source.unfitting(name)) for source in sources))
        files = [(_wheel_version(file_name), file_name) for file_name in sorted(unfitting)]
        found = [(version, file_name) for version, file_name in files if version is not None]
        return sorted(found, key=lambda each: self._releases.order(each[0]), reverse=True)

    def _finding(self, name: str, identifier: str, request: PluginRequest | None) -> Finding:
        is_requested = request is not None and not request.optional
        targets = self._releases.targets
        misfits = [
            (version, f"{file_name} (its tags fit no target)")
            for version, file_name in self._files(name)
        ]
        misfits += [
            (version, f"{version} ({self._releases.misfit(name, version, targets)})")
            for version in self._releases.versions(name)
        ]
        misfits.sort(key=lambda each: (self._releases.order(each[0]), each[1]), reverse=True)
        return Finding(
            code="wrong-platform",
            severity=ERROR if is_requested else WARNING,
            subject=identifier,
            summary=f"no wheel of `{name}`, which offers `{identifier}`, fits "
            + ("any target" if any(targets) else "this interpreter")
            + ("" if is_requested else ", so it is left out"),
            found=listed([text for _, text in misfits], _MAX_WHEELS_SHOWN, "; "),
            where=request.where if request else None,
            hint=f"add a wheel of `{name}` that fits {target_names(targets)}".rstrip()
            + f", or switch `{identifier}` off",
        )


def _partial_findings(
    inputs: Inputs, versions: Mapping[str, str], known: Collection[str]
) -> Iterator[Finding]:
    """Yield a warning for each optional plugin that isn't available for every target.

    Args:
        inputs: what there is to choose from.
        versions: what was chosen, by name.
        known: the plugins that other findings say are left out.
    """
    releases = inputs.releases
    offering: dict[str, dict[str, str]] = {}
    for identifier, _ in inputs.plugins.optional:
        offering[identifier] = {}
    for name in inputs.plugins.names:
        for target in releases.targets if name in versions else ():
            for plugin in inputs.plugins.at(name, versions[name], target):
                if plugin.id in offering:
                    offering[plugin.id][target] = name
    for identifier, names in offering.items():
        lacking = [target for target in releases.targets if target not in names]
        for name in sorted(set(names.values())):
            reason = releases.misfit(name, versions[name], lacking)
            if reason is not None and identifier not in known:
                request = inputs.descriptor.request(*split_plugin_id(identifier))
                yield Finding(
                    code="wrong-platform",
                    severity=WARNING,
                    subject=identifier,
                    summary=f"`{name}` {versions[name]}, which offers the optional "
                    f"`{identifier}`, doesn't fit every target, so it is left out for "
                    + " and ".join(f"`{each}`" for each in lacking),
                    found=reason,
                    where=request.where if request else None,
                    hint=f"add a wheel of `{name}` {versions[name]} that fits "
                    + target_names(lacking),
                )
