"""Which plugins run: descriptor and discovery in, a decision for every plugin out."""

from __future__ import annotations

from coral_lock.finding import CODES, ERROR, WARNING, Finding, sorted_findings
from coral_lock.locking.hosts import UnmetRequirement, unmet_requirement, wrong_platform
from coral_lock.locking.relations import (
    conflicts_among,
    drop_clashing,
    drop_unmet,
    drop_unsupported,
    override_conflicts,
)
from coral_lock.names import plugin_id
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from coral_lock.descriptor.model import Descriptor, PluginRequest
    from coral_lock.inventory import Inventory
    from coral_lock.lockfile.entries import Host
    from coral_lock.locking.discovery import DiscoveredPlugin


class Decision(Record):
    """What is decided for one plugin that was found.

    `reason` says why it isn't selected, and is None where it is. `is_compatible` is None
    where that can't be told. `problem` is what is broken about the plugin itself.
    """

    plugin: DiscoveredPlugin
    is_selected: bool
    is_compatible: bool | None
    reason: str | None = None
    problem: Finding | None = None


class Selection(Record):
    """All decisions, in the order of the discovery, and what is wrong or worth knowing."""

    decisions: tuple[Decision, ...]
    findings: tuple[Finding, ...]

    def selected(self) -> tuple[DiscoveredPlugin, ...]:
        """Return the plugins that are selected."""
        return tuple(decision.plugin for decision in self.decisions if decision.is_selected)


def select(
    plugins: Sequence[DiscoveredPlugin],
    descriptor: Descriptor,
    host: Host,
    inventory: Inventory,
) -> Selection:
    """Decide on every plugin that was found.

    Every plugin that fits the host is selected, unless the descriptor switches it off;
    under `discover: listed` only those that it switches on. One that is asked for and
    doesn't fit is an error. An optional one is left out as well where what its
    distribution requires isn't there, or where it can't go together with another.

    Args:
        plugins: what was found, sorted by id and distribution.
        descriptor: what this runtime should run.
        host: the versions that plugins require.
        inventory: where the plugins were found.
    """
    findings: list[Finding] = []
    by_id: dict[str, list[DiscoveredPlugin]] = {}
    for plugin in plugins:
        by_id.setdefault(plugin.id, []).append(plugin)
    decisions: list[Decision] = []
    for identifier, candidates in by_id.items():
        request = request_for(candidates[0], descriptor)
        judged = [judge(plugin, request, descriptor, host, findings) for plugin in candidates]
        decisions.extend(_settle(identifier, judged, findings))
    findings.extend(_unknown_requests(by_id, descriptor))
    findings.extend(_unloaded_requests(by_id, descriptor))

    def request_of(plugin: DiscoveredPlugin) -> PluginRequest | None:
        return request_for(plugin, descriptor)

    settled = drop_unsupported(decisions, request_of, findings)
    settled = drop_unmet(settled, request_of, inventory, host, findings)
    settled = drop_clashing(settled, request_of, findings)
    selection = Selection(decisions=settled, findings=())
    findings.extend(conflicts_among(selection.selected()))
    findings.extend(override_conflicts(selection.selected(), descriptor))
    return selection.replace(findings=sorted_findings(findings))


def request_for(plugin: DiscoveredPlugin, descriptor: Descriptor) -> PluginRequest | None:
    """Return what the descriptor says of a plugin, None if it doesn't name it."""
    return descriptor.request(plugin.entry_point.group, plugin.id.partition(":")[2])


def judge(
    plugin: DiscoveredPlugin,
    request: PluginRequest | None,
    descriptor: Descriptor,
    host: Host,
    findings: list[Finding],
) -> Decision:
    """Decide on one plugin as if no other offered its id.

    `request` is what the descriptor says of it; `findings` gets what is wrong.
    """
    unmet, is_compatible = None, None
    if plugin.facts is not None:
        unmet = unmet_requirement(plugin.facts, host) or wrong_platform(
            plugin.terms, descriptor.platform
        )
        is_compatible = None if unmet and unmet.is_uncertain else unmet is None
    finding = plugin.problem or (_unmet_finding(plugin, request, unmet) if unmet else None)
    is_broken = finding is not None and CODES[finding.code].breaks_plugin
    reason = unwanted_reason(plugin, request, descriptor)
    if reason is None:
        if finding is None:
            return Decision(plugin=plugin, is_selected=True, is_compatible=is_compatible)
        reason = unmet.reason if unmet else CODES[finding.code].reason
        if request is not None and request.optional:
            finding = finding.replace(severity=WARNING)
        findings.append(finding)
    return Decision(
        plugin=plugin,
        is_selected=False,
        is_compatible=is_compatible,
        reason=reason,
        problem=finding if is_broken else None,
    )


def unwanted_reason(
    plugin: DiscoveredPlugin, request: PluginRequest | None, descriptor: Descriptor
) -> str | None:
    """Return why the descriptor doesn't want a plugin, or None."""
    if request is not None and not request.enabled:
        return "switched off by the descriptor"
    unloaded = descriptor.unloaded(plugin.entry_point.group)
    if unloaded is not None:
        return unloaded[1]
    if request is not None:
        if request.distribution not in (None, plugin.distribution.name):
            return f"the descriptor takes it from `{request.distribution}`"
        return None
    if descriptor.discover == "listed":
        return "not switched on, and `plugins.discover` is `listed`"
    return None


def _unmet_finding(
    plugin: DiscoveredPlugin, request: PluginRequest | None, unmet: UnmetRequirement
) -> Finding:
    is_asked_for = request is not None and request.enabled
    return Finding(
        code=unmet.code,
        severity=ERROR if is_asked_for or unmet.is_uncertain else WARNING,
        subject=plugin.id,
        summary=f"`{plugin.id}` of `{plugin.distribution.name}` {plugin.distribution.version} "
        + unmet.reason
        + ("" if is_asked_for or unmet.is_uncertain else ", so it is left out"),
        where=request.where if request else plugin.entry_point.value,
        hint=unmet.hint,
    )


def _settle(identifier: str, judged: list[Decision], findings: list[Finding]) -> Iterator[Decision]:
    """Let at most one distribution provide an id."""
    fitting = [decision for decision in judged if decision.is_selected]
    if len(fitting) < 2:
        yield from judged
        return
    names = [decision.plugin.distribution.name for decision in fitting]
    offers = [
        f"`{decision.plugin.distribution.name}` ({decision.plugin.entry_point.value})"
        for decision in fitting
    ]
    group, _, name = identifier.partition(":")
    findings.append(
        Finding(
            code="conflict",
            severity=ERROR,
            subject=identifier,
            summary=f"`{identifier}` is offered by " + " and by ".join(offers),
            expected="one distribution",
            found=", ".join(names),
            hint="choose one in the descriptor: "
            f"`{group}: {{{name}: {{distribution: {names[0]}}}}}`",
        )
    )
    for decision in judged:
        yield decision.replace(
            is_selected=False, reason=decision.reason or "several distributions offer this id"
        )


def _unknown_requests(
    by_id: Mapping[str, Sequence[DiscoveredPlugin]], descriptor: Descriptor
) -> Iterator[Finding]:
    for request in descriptor.requests:
        identifier = plugin_id(request.group, request.name)
        offers = by_id.get(identifier, ())
        names = [offer.distribution.name for offer in offers]
        if not offers:
            yield _unknown(
                identifier,
                f"the descriptor names `{identifier}`, which no distribution offers",
                request.where,
                by_id,
                ERROR if request.enabled and not request.optional else WARNING,
            )
        elif request.distribution is not None and request.distribution not in names:
            yield Finding(
                code="unknown-plugin",
                severity=WARNING if request.optional or not request.enabled else ERROR,
                subject=identifier,
                summary=f"`{identifier}` isn't offered by `{request.distribution}`",
                expected=request.distribution,
                found=", ".join(names),
                where=request.where,
                hint=f"name one of those in `distribution`, or add `{request.distribution}`",
            )
        for other in request.after:
            if other not in by_id:
                yield _unknown(
                    other,
                    f"`{identifier}` comes after `{other}`, which no distribution offers",
                    request.where,
                    by_id,
                    ERROR if request.enabled and not request.optional else WARNING,
                )


def _unloaded_requests(
    by_id: Mapping[str, Sequence[DiscoveredPlugin]], descriptor: Descriptor
) -> Iterator[Finding]:
    """Yield where a plugin is switched on, and the loading of its group off."""
    for request in descriptor.requests:
        identifier = plugin_id(request.group, request.name)
        unloaded = descriptor.unloaded(request.group)
        if unloaded is None or not request.enabled or identifier not in by_id:
            continue
        key, reason = unloaded
        yield Finding(
            code="loading-off",
            severity=WARNING if request.optional else ERROR,
            subject=identifier,
            summary=f"`{identifier}` is switched on, and {reason}",
            where=request.where,
            hint=f"remove `{key}: false` ({descriptor.origins.get(key, key)}), "
            f"or switch `{identifier}` off",
        )


def is_unoffered(finding: Finding) -> bool:
    """Whether a finding says that no distribution at all offers a plugin."""
    return finding.code == "unknown-plugin" and finding.expected is None


def _unknown(
    identifier: str,
    summary: str,
    where: str,
    by_id: Mapping[str, object],
    severity: str,
) -> Finding:
    near = nearest_plugin(identifier, by_id)
    return Finding(
        code="unknown-plugin",
        severity=severity,
        subject=identifier,
        summary=summary,
        where=where,
        hint=f"did you mean `{near}`?"
        if near
        else "add it, or see what there is with `coral-runtime plugins list`",
    )


def nearest_plugin(identifier: str, known: Collection[str]) -> str | None:
    """Return which of the known ids may be meant: of the same group if one there is like it."""
    from difflib import get_close_matches

    group, _, name = identifier.partition(":")
    names = {other.partition(":")[2]: other for other in sorted(known, reverse=True)}
    names.update({other.partition(":")[2]: other for other in known if other.startswith(group)})
    near = get_close_matches(name, sorted(names), 1)
    return names[near[0]] if near else None
