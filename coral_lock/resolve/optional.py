"""Leaving out optional plugins: what the lock may do without, where it has to."""

from __future__ import annotations

from coral_lock.finding import WARNING, Finding
from coral_lock.resolve.closure import NOT_PEP_508, Unmet, closure_of
from coral_lock.resolve.relations import clashes_among, drop_unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from coral_lock.inventory import BrokenDistribution, Inventory
    from coral_lock.lockfile.model import Host
    from coral_lock.resolve.closure import Closure
    from coral_lock.resolve.discovery import DiscoveredPlugin
    from coral_lock.resolve.relations import RequestOf
    from coral_lock.resolve.selection import Decision


def drop_unmet(
    decisions: Sequence[Decision],
    request_of: RequestOf,
    inventory: Inventory,
    host: Host,
    findings: list[Finding],
) -> tuple[Decision, ...]:
    """Leave out the optional plugins whose distributions require what isn't there.

    What something else requires as well stays an error, which leaving the plugin out
    wouldn't mend.

    Args:
        decisions: the decisions so far.
        request_of: what the descriptor says of a plugin.
        inventory: where the plugins and what they require are.
        host: the versions that count as present.
        findings: gets a warning for each.
    """
    provided = {package.distribution: package.version for package in host.packages()}
    decided = tuple(decisions)
    while True:
        selected = [each.plugin for each in decided if each.is_selected]
        optional = [plugin for plugin in selected if _is_optional(plugin, request_of)]
        if not optional:
            return decided
        roots = {each.distribution.name for each in selected if each not in optional}
        firm = closure_of(roots, inventory, provided)
        reasons = {}
        for plugin in optional:
            own = closure_of((plugin.distribution.name,), inventory, provided)
            lacking = next(_lacking(own, firm), None)
            if lacking is not None:
                reasons[plugin.id] = _reason(plugin, lacking)
                findings.append(_unmet_finding(plugin, lacking, request_of))
        if not reasons:
            return decided
        decided = _without(decided, reasons, request_of, findings)


def drop_clashing(
    decisions: Sequence[Decision], request_of: RequestOf, findings: list[Finding]
) -> tuple[Decision, ...]:
    """Leave out the optional plugins that exclude another one, or that another one excludes.

    Of two optional ones the first stays. The arguments are those of `drop_unmet`.
    """
    decided = tuple(decisions)
    while True:
        selected = [each.plugin for each in decided if each.is_selected]
        for first, second, relation in clashes_among(selected):
            given_up = [each for each in (first, second) if _is_optional(each, request_of)]
            if given_up:
                plugin = max(given_up, key=lambda each: each.id)
                other = first if plugin is second else second
                reason = f"can't go together with `{other.id}`"
                findings.append(
                    Finding(
                        code="conflict",
                        severity=WARNING,
                        subject=plugin.id,
                        summary=f"`{plugin.id}` {reason}: {relation.reason}; it is left out",
                        expected="one of them",
                        found="both are wanted",
                        where=_where(plugin, request_of),
                        hint="switch one of them off in the descriptor",
                    )
                )
                decided = _without(decided, {plugin.id: reason}, request_of, findings)
                break
        else:
            return decided


def _is_optional(plugin: DiscoveredPlugin, request_of: RequestOf) -> bool:
    request = request_of(plugin)
    return request is not None and request.optional


def _without(
    decisions: Sequence[Decision],
    reasons: dict[str, str],
    request_of: RequestOf,
    findings: list[Finding],
) -> tuple[Decision, ...]:
    """Return the decisions without some plugins, and without what requires these."""
    fewer = [
        each.replace(is_selected=False, reason=reasons[each.plugin.id])
        if each.is_selected and each.plugin.id in reasons
        else each
        for each in decisions
    ]
    return drop_unsupported(fewer, request_of, findings)


def _lacking(own: Closure, firm: Closure) -> Iterator[Unmet | BrokenDistribution]:
    """Yield what stands in the way of a plugin and of nothing else that is selected."""
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


def _unmet_finding(
    plugin: DiscoveredPlugin, lacking: Unmet | BrokenDistribution, request_of: RequestOf
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
    is_malformed = lacking.found == NOT_PEP_508
    remedy = f"have `{lacking.distribution}` mended" if is_malformed else "add what meets it"
    return Finding(
        code="requirement-unmet",
        severity=WARNING,
        subject=plugin.id,
        summary=summary,
        expected=lacking.requirement,
        found=lacking.found,
        where=_where(plugin, request_of),
        hint=f"{remedy}, or switch `{plugin.id}` off",
    )


def _where(plugin: DiscoveredPlugin, request_of: RequestOf) -> str | None:
    request = request_of(plugin)
    return request.where if request else None
