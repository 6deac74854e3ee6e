"""From an inventory and a descriptor to a lock, or to everything that stands in its way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from coral_lock.descriptor.model import Descriptor
from coral_lock.errors import InvalidLockError
from coral_lock.finding import ERROR, WARNING, Finding, has_errors, sorted_findings
from coral_lock.inventory import Inventory, Reporter
from coral_lock.lockfile.entries import ExcludedPlugin, Host, LockedPlugin
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.order import CycleError, activation_order
from coral_lock.locking.closure import Closure, Unmet, closure_of
from coral_lock.locking.decision import (
    Decision,
    DiscoveredPlugin,
    broken_finding,
    find_host,
    place_of_after,
)
from coral_lock.locking.discovery import Evidence, discover
from coral_lock.locking.placement import locked_distributions, misplaced
from coral_lock.locking.selection import Selection, is_unoffered, select
from coral_lock.names import GROUPS

_MAX_NAMED = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """What there is and what is decided about it, before anything is hashed.

    Args:
        inventory: what there is.
        descriptor: what this runtime should run.
        host: the host's versions.
        selection: what is decided for each plugin.
        needed: what the selected plugins' distributions need.
        findings: everything that is wrong or worth knowing, in a fixed order.
    """

    inventory: Inventory
    descriptor: Descriptor
    host: Host
    selection: Selection
    needed: Closure
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolution:
    """The outcome of resolving: a lock, unless a finding is an error."""

    lock: Lock | None
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
    selection = select(discovery.plugins, descriptor, host, inventory)
    if discovery.broken:
        # What is broken may be what would offer it.
        certain = tuple(each for each in selection.findings if not is_unoffered(each))
        selection = Selection(decisions=selection.decisions, findings=certain)
    plugins = selection.selected() if follows_requirements else ()
    roots = {plugin.distribution.name for plugin in plugins}
    program = descriptor.program_requires if follows_requirements else ()
    needed = closure_of(roots, inventory, host, program)
    return Survey(
        inventory=inventory,
        descriptor=descriptor,
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
                    _need_finding(unmet, plugins, needed, descriptor).replace(
                        severity=WARNING if is_installed and unmet.is_there else ERROR
                    )
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


def _need_finding(
    unmet: Unmet, plugins: Sequence[DiscoveredPlugin], needed: Closure, descriptor: Descriptor
) -> Finding:
    """Return the finding for what something needs, and how to go on: to add it or to do without."""
    ids = [
        f"`{plugin.id}`"
        for plugin in plugins
        if unmet.distribution in needed.reached_from(plugin.distribution.name)
    ]
    if ids:
        more = f" and {len(ids) - _MAX_NAMED} more" if len(ids) > _MAX_NAMED else ""
        others = f"switch {' and '.join(ids[:_MAX_NAMED])}{more} off in the descriptor"
    else:
        others = "change `program.requires` in the descriptor"
    where = None if unmet.distribution else descriptor.origins.get("program.requires")
    return unmet.finding(ERROR, f"{unmet.remedy}, or {others}").replace(where=where)


def resolve(
    surveyed: Survey, *, allow_editable: bool = False, reporter: Reporter | None = None
) -> Resolution:
    """Derive the lock from what was found and decided.

    All problems are reported at once.

    Args:
        surveyed: what there is and what is decided about it.
        allow_editable: whether an editable install may be locked, without a digest.
        reporter: notified of progress.
    """
    inventory, descriptor = surveyed.inventory, surveyed.descriptor
    decisions = surveyed.selection.decisions
    findings = list(surveyed.findings)
    distributions = locked_distributions(
        {**_closure_of_host(surveyed, findings).edges, **surveyed.needed.edges},
        surveyed.needed.edges.keys(),
        inventory,
        allow_editable=allow_editable,
        findings=findings,
        reporter=reporter or Reporter(),
    )
    providers = {plugin.distribution.name for plugin in surveyed.selection.selected()}
    findings.extend(misplaced(distributions, providers, descriptor.accepted, inventory))
    lock = None
    if not has_errors(findings):
        try:
            lock = Lock(
                platform=descriptor.platform,
                host=surveyed.host,
                plugins=locked_plugins(decisions, descriptor),
                excluded=_excluded(decisions),
                distributions=tuple(
                    each.replace(
                        accepted=descriptor.accepted.get(each.name, ()),
                        program=each.name in surveyed.needed.program,
                    )
                    for each in distributions
                ),
            )
        except InvalidLockError as error:
            findings.append(invalid_lock_finding(error))
    return Resolution(lock=lock, findings=sorted_findings(findings))


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
        after=_activated_after(plugin, request.after if request else (), known),
        default_config_overrides=plugin.terms.default_config_overrides,
        env=tuple(variable.name for variable in plugin.terms.env if variable.required),
    )


def cycle_finding(
    error: CycleError,
    descriptor: Descriptor | None,
    entry_points: Mapping[str, str],
    context: str = "",
) -> Finding:
    """Return the finding for an order that can't be met.

    Its place is where the descriptor asks for a step of it; where it asks for none, the
    manifests do, and its place is the first plugin.

    Args:
        error: names the plugins, each of which waits for the next.
        descriptor: what this runtime should run.
        entry_points: the plugins' entry points, by id.
        context: what the order is that of, before the message.
    """
    where = None
    for identifier, following in zip(error.cycle, (*error.cycle[1:], error.cycle[0])):
        group, _, name = identifier.partition(":")
        request = descriptor.request(group, name) if descriptor else None
        if descriptor and request and following in request.after:
            where = place_of_after(request, descriptor)
            break
    return Finding(
        code="conflict",
        subject=error.cycle[0],
        summary=f"{context}{error.message}",
        where=where or entry_points[error.cycle[0]],
        hint=error.hint
        if where
        else "have their authors correct `after` and `requires` in the manifests, or switch one "
        "of them off",
    )


def _activated_after(
    plugin: DiscoveredPlugin, asked: Collection[str], known: Collection[str]
) -> tuple[str, ...]:
    """Return the ids after which a plugin is activated, sorted.

    Args:
        plugin: the plugin, whose manifest may name some. What it requires comes first too,
            unless that is of a later group.
        asked: what the descriptor asks for.
        known: the ids that may be in the lock; others are ignored.
    """
    group = GROUPS.index(plugin.entry_point.group)
    declared = set(plugin.terms.after)
    declared.update(
        relation.id
        for relation in plugin.terms.requires
        if GROUPS.index(relation.id.partition(":")[0]) <= group
    )
    return tuple(sorted({*asked, *declared}.intersection(known)))


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


def invalid_lock_finding(error: InvalidLockError, context: str = "") -> Finding:
    """Return the finding for a lock that can't be made; `context` is put before the message."""
    return Finding(
        code="conflict",
        subject=error.path or "lock",
        summary=f"{context}{error.message}",
        where=error.path or None,
        hint=error.hint,
    )
