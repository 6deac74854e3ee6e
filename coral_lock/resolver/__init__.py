"""Choosing one version of every distribution: the newest set that meets all requirements."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from coral_lock.descriptor.model import Descriptor
from coral_lock.errors import abridged
from coral_lock.finding import ERROR, WARNING, Finding, sorted_findings
from coral_lock.inventory import Distribution, ReleaseSource
from coral_lock.locking.decision import broken_finding, parsed_version, unwanted_reason
from coral_lock.locking.discovery import Evidence
from coral_lock.names import plugin_id
from coral_lock.resolver.explanation import explain, misfit_of
from coral_lock.resolver.plugins import Inputs
from coral_lock.resolver.releases import NO_WHEEL, Releases, needed_nodes, target_names
from coral_lock.resolver.solver import Plan, best_versions, plan, plan_with_most_optional


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Which versions were chosen.

    Args:
        versions: a version of every distribution that takes part, by name: of what the
            plugins and the hosts need, and of everything that declares plugins.
        by_target: those of these versions that can be installed on each target.
        findings: why there is no choice that meets all requirements, why optional plugins
            are left out, and what fits no target, in a fixed order.
        considered: returns all versions of a distribution, the newest first, and what became
            of each. All the wheels of the distribution are read for it.
        known: the ids of all plugins that any wheel offers, whatever it fits.
    """

    versions: Mapping[str, str]
    by_target: Mapping[str, Mapping[str, str]]
    findings: tuple[Finding, ...]
    known: frozenset[str]
    considered: Callable[[str], Mapping[str, str]] = field(compare=False)


def choose(
    sources: Mapping[str, ReleaseSource],
    descriptor: Descriptor,
    *,
    kept: Mapping[str, str],
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
        evidence: what is known of distributions from earlier in this run; more is added.
    """
    inputs = Inputs(sources, descriptor, kept, evidence or Evidence())
    releases = inputs.releases
    planned = plan_with_most_optional(inputs)
    versions, needed = best_versions(inputs, planned)
    unfitting = _unfitting_plugins(releases)
    offered = frozenset(identifier for identifier, _ in inputs.plugins.units)
    offered = offered.union(*planned.plugins.requested.values())
    return Choice(
        versions=versions,
        by_target={
            target: {
                name: version
                for name, version in versions.items()
                if releases.can_have(name, version, target)
            }
            for target in releases.targets
        },
        findings=sorted_findings(
            {
                *explain(inputs, planned),
                *(_omissions(inputs, planned) if planned.is_solved else ()),
                *_ignored_wheels(inputs, planned, versions, needed),
                *_incompatible(inputs, unfitting, offered),
                *_partial_findings(inputs, planned, versions),
            }
        ),
        considered=_Verdicts(inputs, planned, versions, needed).of,
        known=offered.union(*unfitting.values()),
    )


def _omissions(inputs: Inputs, chosen: Plan) -> Iterator[Finding]:
    """Yield a warning for each optional plugin that is left out: why it can't be installed."""
    for identifier in sorted({identifier for identifier, _ in chosen.omitted}):
        units = {unit for unit in chosen.omitted if unit[0] == identifier}
        offered = {unit for unit in inputs.plugins.optional if unit[0] == identifier}
        targets = " and ".join(f"`{target}`" for _, target in sorted(units))
        place = f" for {targets}" if units != offered else ""
        request = inputs.descriptor.request(identifier)
        for finding in explain(inputs, plan(inputs, chosen.omitted - units), most=1)[:1]:
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
    names = needed.union(inputs.plugins.names, inputs.plugins.unreadable) & versions.keys()
    for name in sorted(names):
        incoming = planned.outcome.propagation.incoming.get(name, ())
        required = [requirement for requirement, source in incoming if not source.plugins]
        for version in releases.candidates(name, required, takes_broken=True):
            if version == versions[name]:
                break
            broken = releases.broken(name, version)
            if broken is not None:
                yield broken_finding(broken)


_MAX_WHEELS_SHOWN = 6


def _unfitting_plugins(releases: Releases) -> dict[str, list[str]]:
    """Return the plugins of each distribution that fits no target, as its newest wheel has them."""
    found = {}
    some = next(iter(releases.sources.values()))
    for name in releases.names:
        if any(releases.targets_of(name, version) for version in releases.versions(name)):
            continue
        for version, file_name, _ in _unfitting_wheels(releases, name)[:1]:
            wheels = [releases.distribution(name, version, target) for target in releases.targets]
            newest = next(filter(None, wheels), None)
            if file_name:
                newest = some.distribution_of(name, file_name)
            if isinstance(newest, Distribution):
                ids = {plugin_id(each.group, each.name) for each in newest.entry_points}
                found[name] = sorted(ids)
    return found


def _unfitting_wheels(releases: Releases, name: str) -> list[tuple[str, str, str]]:
    """Return the wheels of a distribution that fits no target, the newest first.

    Returns:
        The version of each, its file name if its tags fit no target, and why it doesn't fit.
    """
    some, *others = (source.unfitting(name) for source in releases.sources.values())
    wheels = [
        (version, file_name, f"{file_name} (its tags fit no target)")
        for file_name, version in some.items()
        if all(file_name in each for each in others)
    ]
    for version in releases.versions(name):
        misfit = releases.misfit(name, version, releases.targets)
        wheels.append((version, "", f"{version} ({misfit})"))
    return sorted(wheels, key=lambda each: (releases.order(each[0]), each[2]), reverse=True)


def _incompatible(
    inputs: Inputs, unfitting: Mapping[str, Sequence[str]], elsewhere: Collection[str]
) -> Iterator[Finding]:
    """Yield what is wanted and fits nowhere: an error for what is requested.

    Args:
        inputs: what there is to choose from, and what is wanted.
        unfitting: the plugins of each distribution that fits nowhere.
        elsewhere: the plugins that another distribution offers, or that other findings are
            about.
    """
    descriptor, targets = inputs.descriptor, inputs.releases.targets
    for name, ids in unfitting.items():
        wheels = [text for _, _, text in _unfitting_wheels(inputs.releases, name)]
        for identifier in ids:
            if identifier in elsewhere or unwanted_reason(identifier, name, descriptor):
                continue
            request = descriptor.request(identifier)
            is_requested = request is not None and not request.optional
            yield Finding(
                code="wrong-platform",
                severity=ERROR if is_requested else WARNING,
                subject=identifier,
                summary=f"no wheel of `{name}`, which offers `{identifier}`, fits "
                + ("any target" if any(targets) else "this interpreter")
                + ("" if is_requested else ", so it is left out"),
                found=abridged(wheels, _MAX_WHEELS_SHOWN, "; "),
                where=request.where if request else None,
                hint=f"add a wheel of `{name}` that fits {target_names(targets)}".rstrip()
                + f", or switch `{identifier}` off",
            )


def _partial_findings(
    inputs: Inputs, planned: Plan, versions: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield a warning for each optional plugin that isn't available for every target.

    Those that the plan omits are reported with the reason for that.
    """
    releases, plugins = inputs.releases, inputs.plugins
    omitted = {identifier for identifier, _ in planned.omitted}
    for identifier in sorted({identifier for identifier, _ in plugins.optional} - omitted):
        offering = {
            target: name
            for name in plugins.names
            for target in (releases.targets if name in versions else ())
            for plugin in plugins.at(name, versions[name], target)
            if plugin.id == identifier
        }
        lacking = [target for target in releases.targets if target not in offering]
        request = inputs.descriptor.request(identifier)
        for name in sorted(set(offering.values())):
            reason = releases.misfit(name, versions[name], lacking)
            if reason is not None:
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


_NO_SOLUTION = "there is no solution"
_MAX_SHOWN = 5


@dataclass(frozen=True, slots=True)
class _Verdicts:
    """What became of each version of a distribution.

    Args:
        inputs: what there was to choose from.
        plan: the problem and its outcome.
        versions: what was chosen, by name.
        needed: which of these are needed.
    """

    inputs: Inputs
    plan: Plan
    versions: Mapping[str, str]
    needed: frozenset[str]

    def of(self, name: str) -> dict[str, str]:
        """Return all versions of a distribution, the newest first, and what became of each."""
        releases = self.inputs.releases
        verdicts = {
            version: next(self._verdicts(name, version)) for version in releases.versions(name)
        }
        known = {parsed_version(version) for version in verdicts}
        for source in releases.sources.values():
            for version in source.unfitting(name).values():
                if parsed_version(version) not in known:
                    verdicts[version] = NO_WHEEL
        newest_first = sorted(verdicts, key=releases.order, reverse=True)
        return {version: verdicts[version] for version in newest_first}

    def _verdicts(self, name: str, version: str) -> Iterator[str]:
        """Yield what can be said of a version, what counts most first."""
        releases, plan = self.inputs.releases, self.plan
        propagation, is_solved = plan.outcome.propagation, plan.is_solved
        taken = self.versions[name] if name in self.needed else None
        omitted = [
            (name, "", target)
            for identifier, target in sorted(plan.omitted)
            if identifier in plan.plugins.fitting(name, version, target)
        ]
        broken = releases.broken(name, version)
        if broken is not None:
            yield f"can't be used: {broken.error.message}"
        misfit = misfit_of(releases, propagation, name, version)
        is_needed = name in propagation.nodes
        if misfit is not None and (is_needed or not releases.targets_of(name, version)):
            yield misfit
        unsuited = plan.plugins.misfit(name, version)
        if unsuited is not None:
            yield unsuited
        if version == taken:
            if not is_solved:
                yield f"would be taken, but {_NO_SOLUTION}"
            yield "kept: it is in the lock" if releases.is_kept(name, version) else "taken"
        incoming = propagation.incoming.get(name, ())
        for requirement, source in incoming:
            if version not in requirement.allowed and source.name is not None:
                yield f"`{source.name}` {source.version} requires `{requirement.text}`"
        is_early = releases.is_prerelease(version) and not releases.is_kept(name, version)
        if is_early and taken and not releases.is_prerelease(taken):
            yield "pre-release"
        for node in needed_nodes(incoming) or omitted:
            for requirement in plan.outcome.problem.requirements(node, version):
                found = self.versions.get(requirement.name)
                if not (found in requirement.allowed or (found is None and requirement.allowed)):
                    newest = ", ".join(releases.newest_first(requirement.name)[:_MAX_SHOWN])
                    yield f"requires `{requirement.text}`, found {found or newest or 'nothing'}"
        if taken is not None:
            if releases.order(version) < releases.order(taken):
                yield f"older than {taken}"
            if releases.is_kept(name, taken):
                yield f"newer than {taken}, which is in the lock and still fits"
        elif not omitted:
            yield "not needed"
        yield "conflicts with what was chosen" if is_solved else _NO_SOLUTION
