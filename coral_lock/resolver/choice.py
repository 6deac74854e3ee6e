"""Choosing one version of every distribution: the newest set in which all demands hold."""

from __future__ import annotations

from itertools import islice

from coral_lock.finding import WARNING, sorted_findings
from coral_lock.locking.discovery import Evidence
from coral_lock.locking.hosts import broken_finding
from coral_lock.names import split_plugin_id
from coral_lock.record import Record
from coral_lock.resolver.candidate_reports import UnfitPlugins, Verdicts
from coral_lock.resolver.candidates import Releases
from coral_lock.resolver.conflicts import causes_of, explained
from coral_lock.resolver.planning import HostVersions, Parts, best_versions, plan
from coral_lock.resolver.plugin_index import Offers
from coral_lock.resolver.requirements import Requirements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from coral_lock.descriptor.model import Descriptor
    from coral_lock.finding import Finding
    from coral_lock.inventory import FoundDistribution, ReleaseSource
    from coral_lock.resolver.candidate_reports import Considered, ReadWheel
    from coral_lock.resolver.planning import Chosen, Plan


if TYPE_CHECKING:
    Unit = tuple[str, str]
    """An optional plugin, and a target for which it is wanted."""


def plan_without_the_impossible(parts: Parts) -> Plan:
    """Return the plan that leaves out optional plugins where it has to, and no others.

    They are looked at in their order, by id and target, and each stays with which there
    still is a solution; so none that is left out could be there besides. Where there is no
    solution even without all of them, that is what it comes to.

    Args:
        parts: what the problem is made of.
    """
    whole = plan(parts)
    units = parts.offers.optional()
    if whole.outcome.is_solved or not units:
        return whole
    without = plan(parts, frozenset(units))
    return _with_half(parts, without, units) if without.outcome.is_solved else without


def _with_half(parts: Parts, solved: Plan, units: Sequence[Unit]) -> Plan:
    """Return a solved plan with those of some plugins put back that can be, not being all."""
    if len(units) > 1:
        middle = len(units) // 2
        for half in (units[:middle], units[middle:]):
            attempt = plan(parts, solved.left_out.difference(half))
            solved = attempt if attempt.outcome.is_solved else _with_half(parts, solved, half)
    return solved


def explained_omissions(parts: Parts, chosen: Plan, descriptor: Descriptor) -> Iterator[Finding]:
    """Yield a warning for each optional plugin that is left out: why it can't be had.

    Args:
        parts: what the problem is made of.
        chosen: the plan that leaves some out.
        descriptor: what is wanted.
    """
    for identifier in sorted({identifier for identifier, _ in chosen.left_out}):
        targets = [target for other, target in sorted(chosen.left_out) if other == identifier]
        there = [target for other, target in parts.offers.optional() if other == identifier]
        units = {(identifier, target) for target in targets}
        place = f" for {' and '.join(f'`{each}`' for each in targets)}" if targets != there else ""
        request = descriptor.request(*split_plugin_id(identifier))
        for finding in _reasons(parts, chosen.left_out - units, descriptor):
            yield finding.replace(
                severity=WARNING,
                subject=identifier,
                summary=f"{finding.summary}; the optional `{identifier}` is left out{place}",
                where=request.where if request else None,
            )


def _reasons(
    parts: Parts, left_out: frozenset[Unit], descriptor: Descriptor
) -> tuple[Finding, ...]:
    """Return the first reason why no less can be left out."""
    attempt = plan(parts, left_out)
    causes = tuple(islice(causes_of(attempt.problem, attempt.outcome), 1))
    return explained(causes, attempt.wants, parts.releases, descriptor).findings[:1]


class Choice(Record):
    """Which versions were chosen.

    Args:
        versions: a version of every distribution that takes part, by name: of what the
            plugins and the hosts need, and of everything that declares plugins.
        absent: for each target the distributions whose version can't be installed there.
        findings: why there is no such choice that meets all demands, why optional plugins
            are left out, and what fits no target, in a fixed order.
        considered: for each of the distributions, and each that offers plugins and fits no
            target, every version, the newest first, and what came of it. An entry is made
            when it is asked for, as all the wheels of the distribution are read for it.
        known: the ids of all plugins that there are wheels of, whatever these fit.
        weighed: the plugins of which a finding says what is wrong with each of several
            versions, so that what is wrong with one needn't be told.
    """

    versions: Mapping[str, str]
    absent: Mapping[str, frozenset[str]]
    findings: tuple[Finding, ...]
    considered: Mapping[str, tuple[Considered, ...]]
    known: frozenset[str]
    weighed: frozenset[str]

    def versions_for(self, target: str) -> dict[str, str]:
        """Return the versions that can be installed on a target, by name."""
        absent = self.absent[target]
        return {name: version for name, version in self.versions.items() if name not in absent}


def _unread(name: str, file_name: str) -> FoundDistribution | None:
    return None


def choose(
    sources: Mapping[str, ReleaseSource],
    descriptor: Descriptor,
    *,
    core_version: str | None,
    inference_version: str | None,
    kept: Mapping[str, str],
    read_unfitting: ReadWheel = _unread,
    evidence: Evidence | None = None,
) -> Choice:
    """Choose one version of each distribution, the same for all targets.

    It is the newest set in which all demands hold: that of what is asked for and of
    everything else that the descriptor wants, with all that these and the hosts require.
    An optional plugin is given up where there is no such set with it.

    Args:
        sources: what there is, by the name of the target.
        descriptor: what this runtime should run.
        core_version: the version of the core host that is told, or None.
        inference_version: the version of the inference host that is told, or None.
        kept: versions to prefer while they fit, by the distribution's name.
        read_unfitting: reads a wheel that fits no target, to learn which plugins it offers.
        evidence: what was learnt of distributions before in this run; more is added.
    """
    releases = Releases(sources, kept)
    hosts = HostVersions(releases, core_version, inference_version)
    requirements = Requirements(releases, hosts.provided())
    parts = Parts(
        releases=releases,
        requirements=requirements,
        offers=Offers(releases, descriptor, evidence or Evidence()),
        hosts=hosts,
        program=requirements.of_program(descriptor.program_requires),
    )
    planned = plan_without_the_impossible(parts)
    chosen = best_versions(parts, planned)
    versions = chosen.versions
    causes = tuple(causes_of(planned.problem, planned.outcome))
    unfit = UnfitPlugins(parts, descriptor, read_unfitting)
    offered = parts.offers.ids()
    told = explained(causes, planned.wants, releases, descriptor)
    asked = {identifier for ids in planned.wants.asked.values() for identifier in ids}
    findings = {
        *told.findings,
        *_passed_over(parts, planned, chosen),
        *unfit.findings(offered | asked),
        *unfit.partial_findings(versions, {each for each, _ in planned.left_out}),
    }
    if planned.outcome.is_solved:
        findings.update(explained_omissions(parts, planned, descriptor))
    unfit_names = [each.name for each in unfit.distributions]
    return Choice(
        versions=versions,
        absent={
            target: frozenset(
                name for name in versions if not releases.can_have(name, versions[name], target)
            )
            for target in releases.targets
        },
        findings=sorted_findings(findings),
        considered=Verdicts(
            parts, planned, chosen, sorted({*versions, *parts.offers.names, *unfit_names})
        ),
        known=offered.union(asked, *(each.ids for each in unfit.distributions)),
        weighed=told.weighed,
    )


def _passed_over(parts: Parts, plan: Plan, best: Chosen) -> Iterator[Finding]:
    """Yield an error for each broken wheel of a version that comes before the one chosen.

    What such a wheel offers and requires can't be known, so that nobody can tell whether
    it would have been taken.
    """
    incoming = plan.outcome.settled.incoming
    judged = best.needed.union(parts.offers.names, parts.offers.unreadable)
    for name, chosen in best.versions.items():
        if name not in judged:
            continue
        demands = [each.demand for each in incoming.get(name, ()) if not each.source.plugins]
        for version in parts.releases.versions(name):
            if version == chosen:
                break
            broken = parts.releases.broken(name, version)
            if (
                broken is not None
                and not parts.releases.is_avoided(name, version, chosen)
                and all(version in demand.allowed for demand in demands)
            ):
                yield broken_finding(broken)
