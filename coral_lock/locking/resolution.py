"""From an inventory and a descriptor to a lock, or to everything that stands in its way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from coral_lock.descriptor.model import Descriptor
from coral_lock.errors import InvalidLockError, abridged
from coral_lock.finding import ERROR, WARNING, Finding, has_errors, sorted_findings
from coral_lock.inventory import Inventory, Reporter
from coral_lock.lockfile.entries import ExcludedPlugin, Host, LockedPlugin
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.order import CycleError, activation_order
from coral_lock.locking.closure import Closure, Unmet, closure_of
from coral_lock.locking.decision import Decision, broken_finding, find_host, place_of_after
from coral_lock.locking.discovery import Evidence, discover
from coral_lock.locking.selection import is_unoffered, select
from coral_lock.names import GROUPS
from coral_lock.record import Record

_MAX_NAMED = 4


class Survey(Record):
    """What there is and what is decided about it, before anything is hashed.

    Args:
        inventory: what there is.
        descriptor: what this runtime should run.
        host: the host's versions.
        decisions: what is decided for each plugin, sorted by id and distribution.
        plugins: those that are selected, as a lock holds them.
        needed: what the selected plugins' distributions need.
        findings: everything that is wrong or worth knowing, in a fixed order.
    """

    inventory: Inventory
    descriptor: Descriptor
    host: Host
    decisions: tuple[Decision, ...]
    plugins: tuple[LockedPlugin, ...]
    needed: Closure
    findings: tuple[Finding, ...]


def survey(
    inventory: Inventory,
    descriptor: Descriptor,
    *,
    evidence: Evidence | None = None,
    reporter: Reporter | None = None,
    is_installed: bool = False,
    follows_requirements: bool = True,
) -> Survey:
    """Find the plugins of an inventory and decide on each.

    Args:
        inventory: what there is.
        descriptor: what this runtime should run.
        evidence: what was learned of distributions before in this run, and whether to probe.
        reporter: notified of progress.
        is_installed: whether the inventory is what is installed. Then what a plugin requires
            and is there in another version is a warning: it is what will be imported. Else
            it is an error, as other wheels can be had.
        follows_requirements: whether what the selected plugins need is looked at: that takes
            an inventory that knows its machine.
    """
    host, host_findings = find_host(inventory, descriptor)
    discovery = discover(inventory, evidence or Evidence(), reporter)
    decisions, selection_findings = select(discovery.plugins, descriptor, host, inventory)
    if discovery.broken:
        # What is broken may be what would offer it.
        selection_findings = tuple(each for each in selection_findings if not is_unoffered(each))
    known = {decision.plugin.id for decision in decisions}
    plugins = tuple(_locked_plugin(each, known) for each in decisions if each.is_selected)
    roots = {plugin.distribution for plugin in plugins} if follows_requirements else ()
    program = descriptor.program_requires if follows_requirements else ()
    needed = closure_of(roots, inventory, host, program)
    findings = {
        *host_findings,
        *map(broken_finding, (*discovery.broken, *needed.broken)),
        *discovery.findings,
        *selection_findings,
    }
    for unmet in needed.unmet:
        severity = WARNING if is_installed and unmet.is_there else ERROR
        finding = _need_finding(unmet, plugins, needed, descriptor)
        findings.add(finding.replace(severity=severity))
    try:
        activation_order({plugin.id: plugin.after for plugin in plugins})
    except CycleError as error:
        findings.add(invalid_lock_finding(error, descriptor, plugins))
    return Survey(
        inventory=inventory,
        descriptor=descriptor,
        host=host,
        decisions=decisions,
        plugins=plugins,
        needed=needed,
        findings=sorted_findings(findings),
    )


def _need_finding(
    unmet: Unmet, plugins: Sequence[LockedPlugin], needed: Closure, descriptor: Descriptor
) -> Finding:
    """Return the finding for what something needs, and how to go on: to add it or to do without."""
    ids = [
        f"`{plugin.id}`"
        for plugin in plugins
        if unmet.distribution in needed.reached_from(plugin.distribution)
    ]
    if ids:
        others = f"switch {abridged(ids, _MAX_NAMED, ' and ')} off in the descriptor"
    else:
        others = "change `program.requires` in the descriptor"
    where = None if unmet.distribution else descriptor.origins.get("program.requires")
    return unmet.finding(ERROR, f"{unmet.remedy}, or {others}").replace(where=where)


def resolve(
    surveyed: Survey, *, allow_editable: bool = False, reporter: Reporter | None = None
) -> tuple[Lock | None, tuple[Finding, ...]]:
    """Return the lock that follows from what was found and decided, or why there is none.

    All problems are reported at once; without an error among them there is a lock.

    Args:
        surveyed: what there is and what is decided about it.
        allow_editable: whether an editable install may be locked, without a digest.
        reporter: notified of progress.
    """
    # A survey alone asks for no files.
    from coral_lock.locking.placement import locked_distributions, misplaced

    inventory, descriptor, needed = surveyed.inventory, surveyed.descriptor, surveyed.needed
    findings = list(surveyed.findings)
    distributions = locked_distributions(
        {**_closure_of_host(surveyed, findings).edges, **needed.edges},
        needed,
        descriptor,
        inventory,
        allow_editable=allow_editable,
        findings=findings,
        reporter=reporter or Reporter(),
    )
    providers = {plugin.distribution for plugin in surveyed.plugins}
    findings.extend(misplaced(distributions, providers, inventory))
    lock = None
    if not has_errors(findings):
        try:
            lock = Lock(
                platform=descriptor.platform,
                host=surveyed.host,
                plugins=surveyed.plugins,
                excluded=_excluded(surveyed.decisions),
                distributions=distributions,
            )
        except InvalidLockError as error:
            findings.append(invalid_lock_finding(error, descriptor, surveyed.plugins))
    return lock, sorted_findings(findings)


def _closure_of_host(surveyed: Survey, findings: list[Finding]) -> Closure:
    """Return what the hosts need; what is wrong with that and not with the plugins is noted."""
    names = [package.distribution for package in surveyed.host.packages()]
    installed = [name for name in names if surveyed.inventory.find(name) is not None]
    closure = closure_of(installed, surveyed.inventory, surveyed.host)
    for unmet in closure.unmet:
        if unmet not in surveyed.needed.unmet:
            advice = f"add a version that meets it, so that `{unmet.distribution}` works"
            findings.append(unmet.finding(WARNING, advice))
    broken = map(broken_finding, closure.broken)
    findings.extend(finding for finding in broken if finding not in findings)
    return closure


def _locked_plugin(decision: Decision, known: Collection[str]) -> LockedPlugin:
    plugin = decision.plugin
    assert plugin.facts is not None
    return LockedPlugin(
        id=plugin.id,
        distribution=plugin.distribution.name,
        entry_point=plugin.entry_point.value,
        description=plugin.facts.description,
        min_core_version=plugin.facts.min_core_version,
        min_inference_version=plugin.facts.min_inference_version,
        optional=decision.is_optional,
        after=_activated_after(decision, known),
        default_config_overrides=plugin.terms.default_config_overrides,
        env=tuple(variable.name for variable in plugin.terms.env if variable.required),
    )


def _activated_after(decision: Decision, known: Collection[str]) -> tuple[str, ...]:
    """Return the ids after which a plugin is activated, sorted: of those that may be in the lock.

    The descriptor and the plugin's manifest may name some. What the plugin requires comes
    first too, unless that is of a later group.
    """
    terms, group = decision.plugin.terms, GROUPS.index(decision.plugin.entry_point.group)
    required = (relation.id for relation in terms.requires)
    earlier = (each for each in required if GROUPS.index(each.partition(":")[0]) <= group)
    asked = decision.request.after if decision.request else ()
    return tuple(sorted({*asked, *terms.after, *earlier}.intersection(known)))


def _excluded(decisions: Sequence[Decision]) -> tuple[ExcludedPlugin, ...]:
    """Return what is left out; the distribution is part of the id where several offer it."""
    offers = Counter(decision.plugin.id for decision in decisions)
    excluded = []
    for decision in decisions:
        identifier, name = decision.plugin.id, decision.plugin.distribution.name
        if decision.reason is not None:
            key = identifier if offers[identifier] == 1 else f"{identifier}@{name}"
            excluded.append(ExcludedPlugin(id=key, distribution=name, reason=decision.reason))
    return tuple(excluded)


def invalid_lock_finding(
    error: InvalidLockError,
    descriptor: Descriptor,
    plugins: Iterable[LockedPlugin],
    context: str = "",
) -> Finding:
    """Return the finding for a lock that can't be made, because of an order, say.

    The place of an order that can't be met is where the descriptor asks for a step of it;
    where it asks for none, the manifests do, and it is the entry point of the first plugin.

    Args:
        error: what is wrong.
        descriptor: what this runtime should run.
        plugins: what would be locked.
        context: what is put before the message.
    """
    subject, where, hint = error.path or "lock", error.path or None, error.hint
    if isinstance(error, CycleError):
        subject = error.cycle[0]
        steps = zip(error.cycle, (*error.cycle[1:], subject))
        requests = [(descriptor.request(step), other) for step, other in steps]
        asking = [each for each, other in requests if each is not None and other in each.after]
        if asking:
            where = place_of_after(asking[0], descriptor)
        else:
            where = next(plugin.entry_point for plugin in plugins if plugin.id == subject)
            hint = (
                "have their authors correct `after` and `requires` in the manifests, or switch "
                "one of them off"
            )
    return Finding(
        code="conflict",
        subject=subject,
        summary=f"{context}{error.message}",
        where=where,
        hint=hint,
    )
