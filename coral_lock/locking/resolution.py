"""From an inventory and a descriptor to a lock, or to everything that stands in its way."""

from __future__ import annotations

from coral_lock.errors import BrokenDistributionError, InvalidLockError
from coral_lock.finding import ERROR, WARNING, Finding, has_errors, sorted_findings
from coral_lock.inventory import BrokenDistribution, Distribution
from coral_lock.lockfile.entries import ExcludedPlugin, Host, LockedDistribution, LockedPlugin
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.order import CycleError, activation_order
from coral_lock.locking.closure import PROGRAM, closure_of
from coral_lock.locking.discovery import NO_EXEC, discover
from coral_lock.locking.hosts import broken_finding, find_host
from coral_lock.locking.placement import misplaced, overlapping, pinned_outside
from coral_lock.locking.relations import activated_after, cycle_finding
from coral_lock.locking.selection import Selection, is_unoffered, select
from coral_lock.record import Record
from coral_lock.reporter import Reporter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from coral_lock.descriptor.model import Descriptor
    from coral_lock.inventory import Inventory
    from coral_lock.locking.closure import Closure, Unmet
    from coral_lock.locking.decision import Decision, DiscoveredPlugin
    from coral_lock.locking.discovery import Evidence, Probe


_MAX_NAMED = 4


class Survey(Record):
    """What there is and what is decided about it, before anything is hashed.

    `needed` is what the selected plugins' distributions need.
    """

    host: Host
    selection: Selection
    needed: Closure
    findings: tuple[Finding, ...]


class Resolution(Record):
    """The outcome of resolving: a lock, unless a finding is an error."""

    lock: Lock | None
    findings: tuple[Finding, ...]


def survey(
    inventory: Inventory,
    descriptor: Descriptor,
    *,
    probe: Probe | None,
    no_probe: str = NO_EXEC,
    core_version: str | None = None,
    inference_version: str | None = None,
    evidence: Evidence | None = None,
    reporter: Reporter | None = None,
    is_installed: bool = False,
    follows_requirements: bool = True,
) -> Survey:
    """Find the plugins of an inventory and decide on each.

    Args:
        inventory: what there is.
        descriptor: what this runtime should run.
        probe: learns specs by running plugins in a fresh interpreter; None forbids it.
        no_probe: why it is forbidden, where it is.
        core_version: the version of the core host where the inventory has none.
        inference_version: the version of the inference host, likewise.
        evidence: what was learnt of distributions before in this run.
        reporter: is told of progress.
        is_installed: whether the inventory is what is installed. Then what a plugin requires
            and is there in another version is a warning: it is what will be imported. Else
            it is an error, as other wheels can be had.
        follows_requirements: whether what the selected plugins need is looked at: that takes
            an inventory that knows its machine.
    """
    host, host_findings = find_host(inventory, core_version, inference_version, descriptor)
    discovery = discover(inventory, probe, reporter or Reporter(), no_probe, evidence)
    selection = select(discovery.plugins, descriptor, host, inventory)
    if discovery.broken:
        # What is broken may be what would offer it.
        certain = tuple(each for each in selection.findings if not is_unoffered(each))
        selection = Selection(decisions=selection.decisions, findings=certain)
    plugins = selection.selected() if follows_requirements else ()
    roots = {plugin.distribution.name for plugin in plugins}
    program = descriptor.program_requires if follows_requirements else ()
    needed = closure_of(roots, inventory, _provided(host), program)
    return Survey(
        host=host,
        selection=selection,
        needed=needed,
        findings=sorted_findings(
            {
                *host_findings,
                *(broken_finding(broken) for broken in (*discovery.broken, *needed.broken)),
                *discovery.findings,
                *selection.findings,
                *_order_findings(selection.decisions, descriptor),
                *(
                    _need_finding(unmet, plugins, needed, descriptor, is_installed=is_installed)
                    for unmet in needed.unmet
                ),
            }
        ),
    )


def _order_findings(decisions: Sequence[Decision], descriptor: Descriptor) -> Iterator[Finding]:
    """Yield why the plugins can't be put in an order."""
    plugins = locked_plugins(decisions, descriptor)
    try:
        activation_order({plugin.id: plugin.after for plugin in plugins})
    except CycleError as error:
        entry_points = {plugin.id: plugin.entry_point for plugin in plugins}
        yield cycle_finding(error, descriptor, entry_points)


def _provided(host: Host) -> dict[str, str]:
    return {package.distribution: package.version for package in host.packages()}


def resolve(
    inventory: Inventory,
    descriptor: Descriptor,
    *,
    probe: Probe | None,
    no_probe: str = NO_EXEC,
    core_version: str | None = None,
    inference_version: str | None = None,
    allow_editable: bool = False,
    evidence: Evidence | None = None,
    reporter: Reporter | None = None,
    is_installed: bool = False,
) -> Resolution:
    """Derive the lock of a descriptor and an inventory.

    All problems are reported at once. The arguments are those of `survey`, and
    `allow_editable`: whether an editable install may be locked, without a digest.
    """
    reporter = reporter or Reporter()
    surveyed = survey(
        inventory,
        descriptor,
        probe=probe,
        no_probe=no_probe,
        core_version=core_version,
        inference_version=inference_version,
        evidence=evidence,
        reporter=reporter,
        is_installed=is_installed,
    )
    findings = list(surveyed.findings)
    edges = {
        **_closure_of_host(surveyed, inventory, findings).edges,
        **surveyed.needed.edges,
    }
    needed = frozenset(surveyed.needed.edges)
    distributions = _distributions(edges, needed, inventory, allow_editable, findings, reporter)
    reporter.finished()
    providers = {plugin.distribution.name for plugin in surveyed.selection.selected()}
    findings.extend(misplaced(distributions, providers, descriptor.accepted, inventory))
    if has_errors(findings):
        return Resolution(lock=None, findings=sorted_findings(findings))
    try:
        lock = Lock(
            platform=descriptor.platform,
            host=surveyed.host,
            plugins=locked_plugins(surveyed.selection.decisions, descriptor),
            excluded=_excluded(surveyed.selection.decisions),
            distributions=tuple(
                each.replace(
                    accepted=descriptor.accepted.get(each.name, ()),
                    program=each.name in surveyed.needed.program,
                )
                for each in distributions
            ),
        )
    except InvalidLockError as error:
        findings.append(_invalid_lock_finding(error))
        return Resolution(lock=None, findings=sorted_findings(findings))
    return Resolution(lock=lock, findings=sorted_findings(findings))


def _closure_of_host(surveyed: Survey, inventory: Inventory, findings: list[Finding]) -> Closure:
    """Return what the hosts need; what is wrong with that and not with the plugins is noted."""
    provided = _provided(surveyed.host)
    installed = [name for name in provided if inventory.find(name) is not None]
    closure = closure_of(installed, inventory, provided)
    for unmet in closure.unmet:
        if unmet not in surveyed.needed.unmet:
            advice = f"add a version that meets it, so that `{unmet.distribution}` works"
            findings.append(_unmet_finding(unmet, WARNING, advice))
    for broken in closure.broken:
        finding = broken_finding(broken)
        if finding not in findings:
            findings.append(finding)
    return closure


def _need_finding(
    unmet: Unmet,
    plugins: Sequence[DiscoveredPlugin],
    needed: Closure,
    descriptor: Descriptor,
    *,
    is_installed: bool,
) -> Finding:
    severity = WARNING if is_installed and unmet.is_there else ERROR
    if unmet.distribution == PROGRAM:
        return Finding(
            code="requirement-unmet",
            severity=severity,
            subject="program",
            summary=f"the program requires `{unmet.requirement}`, found {unmet.found}",
            expected=unmet.requirement,
            found=unmet.found,
            where=descriptor.origins.get("program.requires"),
            hint="add a version that meets it, or change `program.requires` in the descriptor",
        )
    return _unmet_finding(unmet, severity, _way_out(unmet, plugins, needed))


def _unmet_finding(unmet: Unmet, severity: str, hint: str) -> Finding:
    return Finding(
        code="requirement-unmet",
        severity=severity,
        subject=unmet.distribution,
        summary=f"`{unmet.distribution}` requires `{unmet.requirement}`, found {unmet.found}",
        expected=unmet.requirement,
        found=unmet.found,
        hint=hint,
    )


def _way_out(unmet: Unmet, plugins: Sequence[DiscoveredPlugin], closure: Closure) -> str:
    """Return how to go on: to add what is required, or to do without what needs it."""
    ids = [
        f"`{plugin.id}`"
        for plugin in plugins
        if unmet.distribution in closure.reached_from(plugin.distribution.name)
    ]
    if not ids:
        return "add a version that meets it, or change `program.requires` in the descriptor"
    more = f" and {len(ids) - _MAX_NAMED} more" if len(ids) > _MAX_NAMED else ""
    return f"{unmet.remedy}, or switch {' and '.join(ids[:_MAX_NAMED])}{more} off in the descriptor"


def _distributions(
    edges: Mapping[str, tuple[str, ...]],
    needed: frozenset[str],
    inventory: Inventory,
    allow_editable: bool,
    findings: list[Finding],
    reporter: Reporter,
) -> tuple[LockedDistribution, ...]:
    wanted = []
    for name in sorted(edges):
        distribution = inventory.find(name)
        if not isinstance(distribution, Distribution):
            continue
        if distribution.editable and not allow_editable:
            findings.append(_editable_finding(distribution))
        else:
            wanted.append(distribution)
    locked = []
    names = [distribution.name for distribution in wanted]
    outcomes = dict(inventory.digests(names, reporter))
    overlaps, unpinned = overlapping(names, needed, inventory)
    findings.extend(overlaps)
    data_digests = pinned_outside(wanted, outcomes, needed, inventory, findings)
    for distribution in wanted:
        name = distribution.name
        digests = {} if name in unpinned else outcomes[name]
        if isinstance(digests, BrokenDistributionError):
            broken = BrokenDistribution(name=name, location=distribution.location, error=digests)
            findings.append(broken_finding(broken))
            continue
        locked.append(
            LockedDistribution(
                name=name,
                version=distribution.version,
                digests=digests,
                data_digests=data_digests[name] if digests else None,
                requires=edges[name],
            )
        )
    return tuple(locked)


def _editable_finding(distribution: Distribution) -> Finding:
    return Finding(
        code="editable-install",
        severity=ERROR,
        subject=distribution.name,
        summary=f"`{distribution.name}` is an editable install, whose bytes aren't fixed",
        where=distribution.location,
        hint="install it from a wheel, or allow it without a digest with `--allow-editable`",
    )


def locked_plugins(
    decisions: Sequence[Decision], descriptor: Descriptor
) -> tuple[LockedPlugin, ...]:
    """Return the records of the plugins that are selected."""
    known = {decision.plugin.id for decision in decisions}
    return tuple(
        _locked_plugin(decision.plugin, descriptor, known)
        for decision in decisions
        if decision.is_selected
    )


def _locked_plugin(
    plugin: DiscoveredPlugin, descriptor: Descriptor, known: Collection[str]
) -> LockedPlugin:
    assert plugin.facts is not None
    request = descriptor.request(plugin.entry_point.group, plugin.facts.name)
    return LockedPlugin(
        id=plugin.id,
        distribution=plugin.distribution.name,
        entry_point=plugin.entry_point.value,
        description=plugin.facts.description,
        min_core_version=plugin.facts.min_core_version,
        min_inference_version=plugin.facts.min_inference_version,
        optional=request.optional if request else False,
        after=activated_after(plugin, request.after if request else (), known),
        default_config_overrides=plugin.terms.default_config_overrides,
        env=tuple(variable.name for variable in plugin.terms.env if variable.required),
    )


def _excluded(decisions: Sequence[Decision]) -> tuple[ExcludedPlugin, ...]:
    """Return what is left out; the distribution is part of the id where several offer it."""
    offers: dict[str, int] = {}
    for decision in decisions:
        offers[decision.plugin.id] = offers.get(decision.plugin.id, 0) + 1
    return tuple(
        ExcludedPlugin(
            id=decision.plugin.id
            if offers[decision.plugin.id] == 1
            else f"{decision.plugin.id}@{decision.plugin.distribution.name}",
            distribution=decision.plugin.distribution.name,
            reason=str(decision.reason),
        )
        for decision in decisions
        if not decision.is_selected
    )


def _invalid_lock_finding(error: InvalidLockError) -> Finding:
    return Finding(
        code="conflict",
        severity=ERROR,
        subject=error.path or "lock",
        summary=error.message,
        where=error.path or None,
        hint=error.hint,
    )
