"""What selected plugins require of each other, and which optional ones are left out for it."""

from __future__ import annotations

from coral_lock.document.node import dotted
from coral_lock.finding import ERROR, WARNING, Finding
from coral_lock.locking.closure import NOT_PEP_508, Unmet, closure_of
from coral_lock.names import GROUPS
from coral_lock.plugin.terms import contradictions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from coral_lock.descriptor.model import Descriptor, PluginRequest
    from coral_lock.inventory import BrokenDistribution, Inventory
    from coral_lock.lockfile.entries import Host
    from coral_lock.lockfile.order import CycleError
    from coral_lock.locking.closure import Closure
    from coral_lock.locking.discovery import DiscoveredPlugin
    from coral_lock.locking.selection import Decision
    from coral_lock.plugin.terms import Relation


if TYPE_CHECKING:
    RequestOf = Callable[[DiscoveredPlugin], PluginRequest | None]


def drop_unsupported(
    decisions: Sequence[Decision], request_of: RequestOf, findings: list[Finding]
) -> tuple[Decision, ...]:
    """Leave out what requires a plugin that isn't selected, until nothing does.

    Args:
        decisions: the decisions so far.
        request_of: what the descriptor says of a plugin.
        findings: gets an error for one that is asked for, else a warning.
    """
    decided = list(decisions)
    while True:
        selected = {decision.plugin.id for decision in decided if decision.is_selected}
        for index, decision in enumerate(decided):
            missing = [
                relation
                for relation in decision.plugin.terms.requires
                if decision.is_selected and relation.id not in selected
            ]
            if missing:
                request = request_of(decision.plugin)
                is_error = request is not None and request.enabled and not request.optional
                findings.append(_missing_finding(decision.plugin, missing[0].id, is_error))
                decided[index] = decision.replace(
                    is_selected=False, reason=f"requires `{missing[0].id}`, which isn't selected"
                )
                break
        else:
            return tuple(decided)


def _missing_finding(plugin: DiscoveredPlugin, required: str, is_error: bool) -> Finding:
    reason = next(item.reason for item in plugin.terms.requires if item.id == required)
    return Finding(
        code="required-plugin-missing",
        severity=ERROR if is_error else WARNING,
        subject=plugin.id,
        summary=f"`{plugin.id}` requires `{required}` ({reason}), which isn't selected"
        + ("" if is_error else ", so it is left out"),
        expected=required,
        found="nothing",
        hint=f"add or switch on `{required}`, or switch `{plugin.id}` off",
    )


def clashes_among(
    plugins: Sequence[DiscoveredPlugin],
) -> Iterator[tuple[DiscoveredPlugin, DiscoveredPlugin, Relation]]:
    """Yield each two selected plugins of which the first excludes the second, and why."""
    selected = {plugin.id: plugin for plugin in plugins}
    told: set[frozenset[str]] = set()
    for plugin in plugins:
        for relation in plugin.terms.conflicts:
            pair = frozenset((plugin.id, relation.id))
            if relation.id in selected and pair not in told:
                told.add(pair)
                yield plugin, selected[relation.id], relation


def conflicts_among(plugins: Sequence[DiscoveredPlugin]) -> Iterator[Finding]:
    """Yield an error for each two selected plugins of which one excludes the other."""
    for plugin, other, relation in clashes_among(plugins):
        yield Finding(
            code="conflict",
            severity=ERROR,
            subject=plugin.id,
            summary=f"`{plugin.id}` can't go together with `{other.id}`: {relation.reason}",
            expected="one of them",
            found="both are selected",
            hint="switch one of them off in the descriptor",
        )


def override_conflicts(
    plugins: Sequence[DiscoveredPlugin], descriptor: Descriptor
) -> Iterator[Finding]:
    """Yield an error where two plugins bring different configuration for one key.

    What the descriptor says itself settles it.
    """
    overrides = {plugin.id: plugin.terms.default_config_overrides for plugin in plugins}
    for first, second, path in contradictions(overrides):
        key = ".".join(path)
        if descriptor.origins.get(key, "default") == "default":
            yield Finding(
                code="conflict",
                severity=ERROR,
                subject=second,
                summary=f"`{first}` and `{second}` bring different values for `{key}`",
                expected="one value",
                found="two",
                hint=f"say in the descriptor what `{key}` is to be",
            )


def cycle_finding(
    error: CycleError,
    descriptor: Descriptor | None,
    entry_points: Mapping[str, str],
    context: str = "",
) -> Finding:
    """Return the finding for an order that can't be met.

    It stands where the descriptor asks for a step of it; where it asks for none, the
    manifests do, and it stands at the first plugin.

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
            key = dotted((group, name, "after"))
            where = descriptor.origins.get(key, request.where)
            break
    return Finding(
        code="conflict",
        severity=ERROR,
        subject=error.cycle[0],
        summary=f"{context}{error.message}",
        where=where or entry_points[error.cycle[0]],
        hint=error.hint
        if where
        else "have their authors correct `after` and `requires` in the manifests, or switch one "
        "of them off",
    )


def activated_after(
    plugin: DiscoveredPlugin, asked: Collection[str], known: Collection[str]
) -> tuple[str, ...]:
    """Return the ids after which a plugin is activated, sorted.

    Args:
        plugin: the plugin, whose manifest may name some. What it requires comes first too,
            unless that is of a later group.
        asked: what the descriptor asks for.
        known: the ids that may stand in the lock; what is named besides is passed over, as an
            order concerns only what is there.
    """
    group = GROUPS.index(plugin.entry_point.group)
    declared = set(plugin.terms.after)
    declared.update(
        relation.id
        for relation in plugin.terms.requires
        if GROUPS.index(relation.id.partition(":")[0]) <= group
    )
    return tuple(sorted({*asked, *declared}.intersection(known)))


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
