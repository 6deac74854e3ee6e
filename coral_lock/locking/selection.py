"""Which plugins run: descriptor and discovery in, a decision for every plugin out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from coral_lock.descriptor.model import Descriptor
from coral_lock.finding import Finding, sorted_findings
from coral_lock.lockfile.entries import Host
from coral_lock.locking.decision import Decision, DiscoveredPlugin, judge, request_for, severity_of
from coral_lock.locking.relations import Choosing, place_of_after
from coral_lock.names import plugin_id

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

    choosing = Choosing(decisions, descriptor, findings)
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
