"""A plugin that was found, and what is decided about it as if there were no other."""

from __future__ import annotations

from dataclasses import dataclass

from coral_lock.descriptor.model import Descriptor, PluginRequest
from coral_lock.finding import CODES, ERROR, WARNING, Finding
from coral_lock.inventory import Distribution, EntryPoint
from coral_lock.lockfile.entries import Host
from coral_lock.locking.hosts import UnmetRequirement, unmet_requirement, wrong_platform
from coral_lock.plugin.facts import PluginFacts
from coral_lock.plugin.terms import NO_TERMS, PluginTerms


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscoveredPlugin:
    """A plugin that an entry point offers.

    Args:
        id: the plugin's id; for one whose spec isn't known, made from the entry point's name.
        entry_point: where it was declared.
        distribution: who offers it.
        facts: its spec's fields, or None where they couldn't be learned.
        evidence: how they were learned, `manifest`, `static` or `probe`; None without facts.
        terms: what its manifest declares beyond the spec.
        problem: why it can't be used as it is, or None.
    """

    id: str
    entry_point: EntryPoint
    distribution: Distribution
    facts: PluginFacts | None = None
    evidence: str | None = None
    terms: PluginTerms = NO_TERMS
    problem: Finding | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What is decided for one plugin that was found.

    `reason` says why it isn't selected, and is None where it is. `is_compatible` is None
    where that isn't known. `problem` is what is broken about the plugin itself.
    """

    plugin: DiscoveredPlugin
    is_selected: bool
    is_compatible: bool | None
    reason: str | None = None
    problem: Finding | None = None


def request_for(plugin: DiscoveredPlugin, descriptor: Descriptor) -> PluginRequest | None:
    """Return what the descriptor says of a plugin, None if it doesn't name it."""
    return descriptor.request(plugin.entry_point.group, plugin.id.partition(":")[2])


def severity_of(request: PluginRequest | None) -> str:
    """Return how severe it is that a plugin can't be had: an error only where it is required."""
    is_required = request is not None and request.enabled and not request.optional
    return ERROR if is_required else WARNING


def judge(
    plugin: DiscoveredPlugin,
    request: PluginRequest | None,
    descriptor: Descriptor,
    host: Host,
    findings: list[Finding],
) -> Decision:
    """Decide on one plugin as if no other offered its id.

    `request` is what the descriptor says of it; what is wrong is added to `findings`.
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
    is_error = unmet.is_uncertain or (request is not None and request.enabled)
    return Finding(
        code=unmet.code,
        severity=ERROR if is_error else WARNING,
        subject=plugin.id,
        summary=f"`{plugin.id}` of `{plugin.distribution.name}` {plugin.distribution.version} "
        + unmet.reason
        + ("" if is_error else ", so it is left out"),
        where=request.where if request else plugin.entry_point.value,
        hint=unmet.hint,
    )
