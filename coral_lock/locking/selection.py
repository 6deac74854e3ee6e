"""Which plugins run: descriptor and discovery in, a decision for every plugin out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from coral_lock.descriptor.model import Descriptor, PluginRequest
from coral_lock.finding import WARNING, Finding, sorted_findings
from coral_lock.inventory import BrokenDistribution, Inventory
from coral_lock.lockfile.entries import Host
from coral_lock.locking.closure import NOT_PEP_508, Unmet, closure_of
from coral_lock.locking.decision import (
    Decision,
    DiscoveredPlugin,
    broken_finding,
    judge,
    place_of_after,
    request_for,
    severity_of,
)
from coral_lock.names import plugin_id
from coral_lock.plugin.facts import Relation, contradictions


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
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
    doesn't fit is an error. An optional one is left out as well where a requirement of its
    distribution isn't met, or where it and another are mutually exclusive.

    Args:
        plugins: what was found, sorted by id and distribution.
        descriptor: what this runtime should run.
        host: the versions that plugins require.
        inventory: where the plugins were found.
    """
    findings: list[Finding] = []
    judged: dict[str, list[Decision]] = {}
    for plugin in plugins:
        decision, finding = judge(plugin, descriptor, host)
        judged.setdefault(plugin.id, []).append(decision)
        findings.extend(filter(None, (finding,)))
    decisions = [
        decision
        for identifier, several in judged.items()
        for decision in _settle(identifier, several, findings)
    ]
    for request in descriptor.requests:
        findings.extend(_request_findings(request, judged, descriptor))
    choosing = _Choosing(decisions, descriptor, findings)
    while reasons := (
        choosing.unsupported() or choosing.unmet(inventory, host) or choosing.clashing()
    ):
        choosing.leave_out(reasons)
    choosing.find_conflicts()
    return Selection(decisions=tuple(choosing.decisions), findings=sorted_findings(findings))


def _settle(identifier: str, judged: list[Decision], findings: list[Finding]) -> list[Decision]:
    """Select at most one distribution for an id."""
    fitting = [decision.plugin for decision in judged if decision.is_selected]
    if len(fitting) < 2:
        return judged
    names = [plugin.distribution.name for plugin in fitting]
    group, _, name = identifier.partition(":")
    findings.append(
        Finding(
            code="conflict",
            subject=identifier,
            summary=f"`{identifier}` is offered by "
            + " and by ".join(
                f"`{plugin.distribution.name}` ({plugin.entry_point.value})" for plugin in fitting
            ),
            expected="one distribution",
            found=", ".join(names),
            hint="choose one in the descriptor: "
            f"`{group}: {{{name}: {{distribution: {names[0]}}}}}`",
        )
    )
    reason = "several distributions offer this id"
    return [replace(decision, reason=decision.reason or reason) for decision in judged]


def _request_findings(
    request: PluginRequest, judged: Mapping[str, Sequence[Decision]], descriptor: Descriptor
) -> Iterator[Finding]:
    """Yield what the descriptor says of a plugin and can't be had."""
    identifier = plugin_id(request.group, request.name)
    severity = severity_of(request)
    names = [decision.plugin.distribution.name for decision in judged.get(identifier, ())]
    unloaded = descriptor.unloaded(request.group)
    if not names:
        yield _unknown(
            identifier,
            f"the descriptor names `{identifier}`, which no distribution offers",
            request.where,
            judged,
            severity,
        )
    elif request.distribution not in (None, *names):
        yield Finding(
            code="unknown-plugin",
            severity=severity,
            subject=identifier,
            summary=f"`{identifier}` isn't offered by `{request.distribution}`",
            expected=request.distribution,
            found=", ".join(names),
            where=request.where,
            hint=f"set `distribution` to one of those, or add `{request.distribution}`",
        )
    for other in request.after:
        if other not in judged:
            yield _unknown(
                other,
                f"`{identifier}` comes after `{other}`, which no distribution offers",
                place_of_after(request, descriptor),
                judged,
                severity,
            )
    if unloaded is not None and request.enabled and names:
        key, reason = unloaded
        yield Finding(
            code="loading-off",
            severity=severity,
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
    identifier: str, summary: str, where: str, known: Collection[str], severity: str
) -> Finding:
    near = nearest_plugin(identifier, known)
    return Finding(
        code="unknown-plugin",
        severity=severity,
        subject=identifier,
        summary=summary,
        where=where,
        hint=f"did you mean `{near}`?"
        if near
        else "add it, or list the plugins with `coral-runtime plugins list`",
    )


def nearest_plugin(identifier: str, known: Collection[str]) -> str | None:
    """Return the known id that is most similar, one of the same group if there is any."""
    group, _, name = identifier.partition(":")
    names = {other.partition(":")[2]: other for other in sorted(known, reverse=True)}
    names.update({other.partition(":")[2]: other for other in known if other.startswith(group)})
    near = get_close_matches(name, sorted(names), 1)
    return names[near[0]] if near else None


class _Choosing:
    """Finds what doesn't fit the other plugins, and leaves it out.

    Args:
        decisions: what is decided for each plugin by itself.
        descriptor: what this runtime should run.
        findings: is added to.
    """

    def __init__(
        self, decisions: list[Decision], descriptor: Descriptor, findings: list[Finding]
    ) -> None:
        self.decisions = decisions
        self._descriptor = descriptor
        self._findings = findings

    def leave_out(self, reasons: Mapping[str, str]) -> None:
        """Leave out selected plugins, for reasons by id."""
        self.decisions = [
            replace(each, reason=each.reason or reasons.get(each.plugin.id))
            for each in self.decisions
        ]

    def unsupported(self) -> dict[str, str]:
        """Return the first plugin that requires one that isn't selected.

        That is an error for one that is required, else a warning.
        """
        plugins = self._selected()
        for plugin in plugins.values():
            for relation in plugin.terms.requires:
                if relation.id not in plugins:
                    self._findings.append(self._unsupported_finding(plugin, relation))
                    return {plugin.id: f"requires `{relation.id}`, which isn't selected"}
        return {}

    def _unsupported_finding(self, plugin: DiscoveredPlugin, relation: Relation) -> Finding:
        severity = severity_of(request_for(plugin, self._descriptor))
        return Finding(
            code="required-plugin-missing",
            severity=severity,
            subject=plugin.id,
            summary=f"`{plugin.id}` requires `{relation.id}` ({relation.reason}), "
            "which isn't selected" + (", so it is left out" if severity == WARNING else ""),
            hint=f"add or switch on `{relation.id}`, or switch `{plugin.id}` off",
        )

    def unmet(self, inventory: Inventory, host: Host) -> dict[str, str]:
        """Return the optional plugins whose distributions have an unmet requirement.

        What something else requires as well stays an error, which leaving the plugin out
        wouldn't fix.

        Args:
            inventory: where the plugins and what they require are.
            host: its versions count as present.
        """
        plugins = self._selected().values()
        optional = [plugin for plugin in plugins if self._is_optional(plugin)]
        roots = {each.distribution.name for each in plugins if each not in optional}
        others = closure_of(roots if optional else (), inventory, host)
        reasons = {}
        for plugin in optional:
            own = closure_of((plugin.distribution.name,), inventory, host)
            lacking: list[Unmet | BrokenDistribution] = [
                *(unmet for unmet in own.unmet if unmet not in others.unmet),
                *(broken for broken in own.broken if broken not in others.broken),
            ]
            if lacking:
                reasons[plugin.id] = _reason(plugin, lacking[0])
                self._findings.append(self._unmet_finding(plugin, lacking[0]))
        return reasons

    def _unmet_finding(
        self, plugin: DiscoveredPlugin, lacking: Unmet | BrokenDistribution
    ) -> Finding:
        if isinstance(lacking, Unmet):
            finding = lacking.finding(WARNING, f"{lacking.remedy}, or switch `{plugin.id}` off")
            request = request_for(plugin, self._descriptor)
            finding = finding.replace(where=request.where if request else None)
        else:
            finding = broken_finding(lacking).replace(severity=WARNING, found=lacking.error.message)
        return finding.replace(
            subject=plugin.id,
            summary=f"`{plugin.id}` of `{plugin.distribution.name}` {plugin.distribution.version} "
            f"{_reason(plugin, lacking)}, so it is left out",
        )

    def clashing(self) -> dict[str, str]:
        """Return the first optional plugin that excludes another one, or is excluded by it.

        Of two optional ones it is the second.
        """
        for first, second, relation in self._clashes():
            optional = [each for each in (first, second) if self._is_optional(each)]
            if optional:
                plugin = max(optional, key=lambda each: each.id)
                other = first if plugin is second else second
                finding = self._clash_finding(plugin, other, relation)
                self._findings.append(
                    finding.replace(
                        severity=WARNING, summary=f"{finding.summary}; `{plugin.id}` is left out"
                    )
                )
                # The reason is part of locks, whose bytes stay as they are.
                return {plugin.id: f"can't go together with `{other.id}`"}
        return {}

    def find_conflicts(self) -> None:
        """Find the selected plugins that exclude each other, or configure one key differently.

        What the descriptor says itself settles the latter.
        """
        self._findings.extend(self._clash_finding(*clash) for clash in self._clashes())
        overrides = {
            key: plugin.terms.default_config_overrides for key, plugin in self._selected().items()
        }
        for first, second, path in contradictions(overrides):
            key = ".".join(path)
            if self._descriptor.origins.get(key, "default") == "default":
                self._findings.append(
                    Finding(
                        code="conflict",
                        subject=second,
                        summary=f"`{first}` and `{second}` set `{key}` to different values",
                        hint=f"set `{key}` in the descriptor",
                    )
                )

    def _clash_finding(
        self, plugin: DiscoveredPlugin, other: DiscoveredPlugin, relation: Relation
    ) -> Finding:
        request = request_for(plugin, self._descriptor)
        return Finding(
            code="conflict",
            subject=plugin.id,
            summary=f"`{plugin.id}` and `{other.id}` are mutually exclusive: {relation.reason}",
            where=request.where if request else None,
            hint="switch one of them off in the descriptor",
        )

    def _selected(self) -> dict[str, DiscoveredPlugin]:
        return {each.plugin.id: each.plugin for each in self.decisions if each.is_selected}

    def _is_optional(self, plugin: DiscoveredPlugin) -> bool:
        request = request_for(plugin, self._descriptor)
        return request is not None and request.optional

    def _clashes(self) -> Iterator[tuple[DiscoveredPlugin, DiscoveredPlugin, Relation]]:
        """Yield each two selected plugins of which the first excludes the second, and why."""
        selected = self._selected()
        found: set[frozenset[str]] = set()
        for plugin in selected.values():
            for relation in plugin.terms.conflicts:
                pair = frozenset((plugin.id, relation.id))
                if relation.id in selected and pair not in found:
                    found.add(pair)
                    yield plugin, selected[relation.id], relation


def _reason(plugin: DiscoveredPlugin, lacking: Unmet | BrokenDistribution) -> str:
    """Return what the lock says of it: nothing that depends on where things are."""
    if not isinstance(lacking, Unmet):
        return f"needs `{lacking.name}`, which can't be used"
    needs = ""
    if lacking.distribution != plugin.distribution.name:
        needs = f"needs `{lacking.distribution}`, which "
    if lacking.found == NOT_PEP_508:
        return f"{needs}has a requirement that isn't PEP 508"
    return f"{needs}requires `{lacking.requirement}`, which isn't met"
