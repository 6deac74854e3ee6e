"""Choosing one version of every distribution: the newest set that meets all requirements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from coral_lock.descriptor.model import Descriptor, HostVersions
from coral_lock.finding import WARNING, Finding, sorted_findings
from coral_lock.locking.decision import broken_finding
from coral_lock.locking.discovery import Evidence
from coral_lock.names import split_plugin_id
from coral_lock.resolver.explanation import causes_of, explained
from coral_lock.resolver.inputs import DeclaredRequirements, Hosts, Inputs
from coral_lock.resolver.planning import Plan, best_versions, plan, plan_with_most_optional
from coral_lock.resolver.plugin_index import PluginIndex
from coral_lock.resolver.releases import Releases
from coral_lock.resolver.reports import (
    CandidateReport,
    CandidateReports,
    IncompatiblePlugins,
    ReadWheel,
    partial_findings,
)

if TYPE_CHECKING:
    from coral_lock.inventory import ReleaseSource


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
    host_versions: HostVersions,
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
        host_versions: the versions of hosts that the command line or the descriptor gives.
        kept: versions to prefer while they fit, by the distribution's name.
        read_unfitting: reads a wheel that fits no target, to find the plugins it offers.
        evidence: what is known of distributions from earlier in this run; more is added.
    """
    releases = Releases(sources, kept)
    hosts = Hosts(releases, host_versions)
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
    incompatible = IncompatiblePlugins(inputs, read_unfitting)
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
                *partial_findings(inputs, versions, omitted),
            }
        ),
        considered=CandidateReports(
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
            is_avoided = releases.is_yanked(name, version) or (
                releases.is_prerelease(version) and not is_early
            )
            if (
                broken is not None
                and (not is_avoided or releases.is_kept(name, version))
                and all(version in requirement.allowed for requirement in requirements)
            ):
                yield broken_finding(broken)
