"""Which plugins run: descriptor and discovery in, a decision for every plugin out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from coral_lock.descriptor.model import Descriptor
from coral_lock.finding import WARNING, Finding, sorted_findings
from coral_lock.inventory import BrokenDistribution
from coral_lock.lockfile.entries import Host
from coral_lock.locking.closure import NOT_PEP_508, Closure, Unmet, closure_of
from coral_lock.locking.decision import (
    Decision,
    DiscoveredPlugin,
    judge,
    place_of_after,
    request_for,
    severity_of,
)
from coral_lock.names import plugin_id
from coral_lock.plugin.facts import Relation, contradictions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.inventory import Inventory


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

    choosing = _Choosing(decisions, descriptor, findings)
    choosing.drop_unsupported()
    choosing.drop_unmet(inventory, host)
    choosing.drop_clashing()
    choosing.find_conflicts()
    return Selection(decisions=tuple(choosing.decisions), findings=sorted_findings(findings))


def _settle(identifier: str, judged: list[Decision], findings: list[Finding]) -> Iterator[Decision]:
    """Select at most one distribution for an id."""
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
            subject=identifier,
            summary=f"`{identifier}` is offered by " + " and by ".join(offers),
            expected="one distribution",
            found=", ".join(names),
            hint="choose one in the descriptor: "
            f"`{group}: {{{name}: {{distribution: {names[0]}}}}}`",
        )
    )
    for decision in judged:
        reason = decision.reason or "several distributions offer this id"
        yield replace(decision, is_selected=False, reason=reason)


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
                severity_of(request),
            )
        elif request.distribution is not None and request.distribution not in names:
            yield Finding(
                code="unknown-plugin",
                severity=severity_of(request),
                subject=identifier,
                summary=f"`{identifier}` isn't offered by `{request.distribution}`",
                expected=request.distribution,
                found=", ".join(names),
                where=request.where,
                hint=f"set `distribution` to one of those, or add `{request.distribution}`",
            )
        for other in request.after:
            if other not in by_id:
                yield _unknown(
                    other,
                    f"`{identifier}` comes after `{other}`, which no distribution offers",
                    place_of_after(request, descriptor),
                    by_id,
                    severity_of(request),
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
            severity=severity_of(request),
            subject=identifier,
            summary=f"`{identifier}` is switched on, and {reason}",
            where=request.where,
            hint=f"remove `{key}: false` ({descriptor.origins.get(key, key)}), "
            f"or switch `{identifier}` off",
        )


class _Choosing:
    """Leaves out what doesn't fit the other plugins, and finds what can't be settled.

    Args:
        decisions: what is decided for each plugin by itself.
        descriptor: what this runtime should run.
        findings: is added to.
    """

    def __init__(
        self, decisions: Iterable[Decision], descriptor: Descriptor, findings: list[Finding]
    ) -> None:
        self.decisions = list(decisions)
        self._descriptor = descriptor
        self._findings = findings

    def drop_unsupported(self) -> None:
        """Leave out what requires a plugin that isn't selected, until nothing does.

        That is an error for one that is required, else a warning.
        """
        while True:
            plugins = self._selected()
            ids = {plugin.id for plugin in plugins}
            missing = (
                (plugin, relation)
                for plugin in plugins
                for relation in plugin.terms.requires
                if relation.id not in ids
            )
            plugin, relation = next(missing, (None, None))
            if plugin is None or relation is None:
                return
            severity = severity_of(request_for(plugin, self._descriptor))
            self._findings.append(
                Finding(
                    code="required-plugin-missing",
                    severity=severity,
                    subject=plugin.id,
                    summary=f"`{plugin.id}` requires `{relation.id}` ({relation.reason}), "
                    "which isn't selected" + (", so it is left out" if severity == WARNING else ""),
                    expected=relation.id,
                    found="nothing",
                    hint=f"add or switch on `{relation.id}`, or switch `{plugin.id}` off",
                )
            )
            self._leave_out({plugin.id: f"requires `{relation.id}`, which isn't selected"})

    def drop_unmet(self, inventory: Inventory, host: Host) -> None:
        """Leave out the optional plugins whose distributions have an unmet requirement.

        What something else requires as well stays an error, which leaving the plugin out
        wouldn't fix.

        Args:
            inventory: where the plugins and what they require are.
            host: the versions that count as present.
        """
        provided = {package.distribution: package.version for package in host.packages()}
        while True:
            plugins = self._selected()
            optional = [plugin for plugin in plugins if self._is_optional(plugin)]
            if not optional:
                return
            roots = {each.distribution.name for each in plugins if each not in optional}
            firm = closure_of(roots, inventory, provided)
            reasons = {}
            for plugin in optional:
                own = closure_of((plugin.distribution.name,), inventory, provided)
                lacking = next(_lacking(own, firm), None)
                if lacking is not None:
                    reasons[plugin.id] = _reason(plugin, lacking)
                    self._findings.append(self._unmet_finding(plugin, lacking))
            if not reasons:
                return
            self._leave_out(reasons)
            self.drop_unsupported()

    def drop_clashing(self) -> None:
        """Leave out the optional plugins that exclude another one, or that another one excludes.

        Of two optional ones the first stays.
        """
        while True:
            clash = next(
                (clash for clash in self._clashes() if any(map(self._is_optional, clash[:2]))), None
            )
            if clash is None:
                return
            first, second, relation = clash
            plugin = max(filter(self._is_optional, (first, second)), key=lambda each: each.id)
            other = first if plugin is second else second
            # The reason is part of locks, whose bytes stay as they are.
            reason = f"can't go together with `{other.id}`"
            request = request_for(plugin, self._descriptor)
            self._findings.append(
                Finding(
                    code="conflict",
                    severity=WARNING,
                    subject=plugin.id,
                    summary=f"`{plugin.id}` and `{other.id}` are mutually exclusive: "
                    f"{relation.reason}; `{plugin.id}` is left out",
                    expected="one of them",
                    found="both are switched on",
                    where=request.where if request else None,
                    hint="switch one of them off in the descriptor",
                )
            )
            self._leave_out({plugin.id: reason})
            self.drop_unsupported()

    def find_conflicts(self) -> None:
        """Find the selected plugins that exclude each other, or configure one key differently.

        What the descriptor says itself settles the latter.
        """
        for plugin, other, relation in self._clashes():
            self._findings.append(
                Finding(
                    code="conflict",
                    subject=plugin.id,
                    summary=f"`{plugin.id}` and `{other.id}` are mutually exclusive: "
                    f"{relation.reason}",
                    expected="one of them",
                    found="both are selected",
                    hint="switch one of them off in the descriptor",
                )
            )
        overrides = {
            plugin.id: plugin.terms.default_config_overrides for plugin in self._selected()
        }
        for first, second, path in contradictions(overrides):
            key = ".".join(path)
            if self._descriptor.origins.get(key, "default") == "default":
                self._findings.append(
                    Finding(
                        code="conflict",
                        subject=second,
                        summary=f"`{first}` and `{second}` set `{key}` to different values",
                        expected="one value",
                        found="two",
                        hint=f"set `{key}` in the descriptor",
                    )
                )

    def _selected(self) -> list[DiscoveredPlugin]:
        return [decision.plugin for decision in self.decisions if decision.is_selected]

    def _leave_out(self, reasons: Mapping[str, str]) -> None:
        self.decisions = [
            replace(each, is_selected=False, reason=reasons[each.plugin.id])
            if each.is_selected and each.plugin.id in reasons
            else each
            for each in self.decisions
        ]

    def _is_optional(self, plugin: DiscoveredPlugin) -> bool:
        request = request_for(plugin, self._descriptor)
        return request is not None and request.optional

    def _clashes(self) -> Iterator[tuple[DiscoveredPlugin, DiscoveredPlugin, Relation]]:
        """Yield each two selected plugins of which the first excludes the second, and why."""
        selected = {plugin.id: plugin for plugin in self._selected()}
        found: set[frozenset[str]] = set()
        for plugin in selected.values():
            for relation in plugin.terms.conflicts:
                pair = frozenset((plugin.id, relation.id))
                if relation.id in selected and pair not in found:
                    found.add(pair)
                    yield plugin, selected[relation.id], relation

    def _unmet_finding(
        self, plugin: DiscoveredPlugin, lacking: Unmet | BrokenDistribution
    ) -> Finding:
        summary = (
            f"`{plugin.id}` of `{plugin.distribution.name}` {plugin.distribution.version} "
            f"{_reason(plugin, lacking)}, so it is left out"
        )
        if not isinstance(lacking, Unmet):
            return Finding(
                code=lacking.error.code,
                severity=WARNING,
                subject=plugin.id,
                summary=summary,
                found=lacking.error.message,
                where=lacking.error.where or lacking.location,
                hint=lacking.error.hint,
            )
        request = request_for(plugin, self._descriptor)
        return Finding(
            code="requirement-unmet",
            severity=WARNING,
            subject=plugin.id,
            summary=summary,
            expected=lacking.requirement,
            found=lacking.found,
            where=request.where if request else None,
            hint=f"{lacking.remedy}, or switch `{plugin.id}` off",
        )


def _lacking(own: Closure, firm: Closure) -> Iterator[Unmet | BrokenDistribution]:
    """Yield what a plugin lacks and nothing else that is selected does."""
    yield from (unmet for unmet in own.unmet if unmet not in firm.unmet)
    yield from (broken for broken in own.broken if broken not in firm.broken)


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
        else "add it, or list the plugins with `coral-runtime plugins list`",
    )


def nearest_plugin(identifier: str, known: Collection[str]) -> str | None:
    """Return the known id that is most similar, one of the same group if there is any."""
    group, _, name = identifier.partition(":")
    names = {other.partition(":")[2]: other for other in sorted(known, reverse=True)}
    names.update({other.partition(":")[2]: other for other in known if other.startswith(group)})
    near = get_close_matches(name, sorted(names), 1)
    return names[near[0]] if near else None
