"""Which plugins run: descriptor and discovery in, a decision for every plugin out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TypeAlias

from coral_lock.descriptor.model import DEFAULT_ORIGIN, Descriptor, PluginRequest
from coral_lock.finding import WARNING, Finding
from coral_lock.inventory import Inventory
from coral_lock.lockfile.entries import Host
from coral_lock.locking.closure import closure_of
from coral_lock.locking.decision import (
    Decision,
    DiscoveredPlugin,
    broken_finding,
    judge,
    place_of_after,
    severity_of,
)
from coral_lock.plugin.facts import Relation, contradictions

_Selected: TypeAlias = Mapping[str, Decision]
"""The decisions on the plugins that are selected so far, by id."""

_LeftOut: TypeAlias = Mapping[str, tuple[str, Finding]]
"""The plugins to leave out because of others, by id: the reason and the finding."""


def select(
    plugins: Sequence[DiscoveredPlugin],
    descriptor: Descriptor,
    host: Host,
    inventory: Inventory,
) -> tuple[tuple[Decision, ...], tuple[Finding, ...]]:
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

    Returns:
        The decisions, in the order of the plugins, and what is wrong or worth knowing.
    """
    judged: dict[str, list[Decision]] = {}
    for plugin in plugins:
        judged.setdefault(plugin.id, []).append(judge(plugin, descriptor, host))
    decisions = [decision for several in judged.values() for decision in several]
    findings = [each.finding for each in decisions if each.finding and each.is_wanted]
    for request in descriptor.requests:
        findings.extend(_request_findings(request, judged, descriptor))
    left_out = _contested(judged)
    while True:
        findings.extend(finding for _, finding in left_out.values())
        decisions = [
            each.replace(reason=left_out[each.plugin.id][0])
            if each.is_selected and each.plugin.id in left_out
            else each
            for each in decisions
        ]
        selected = {each.plugin.id: each for each in decisions if each.is_selected}
        left_out = _unsupported(selected) or _lacking(selected, inventory, host)
        left_out = left_out or _excluding(selected)
        if not left_out:
            findings.extend(_conflicts(selected, descriptor))
            return tuple(decisions), tuple(findings)


def _contested(judged: Mapping[str, Sequence[Decision]]) -> _LeftOut:
    """Return the plugins that several distributions offer."""
    left_out = {}
    for identifier, several in judged.items():
        fitting = [decision.plugin for decision in several if decision.is_selected]
        if len(fitting) > 1:
            group, _, name = identifier.partition(":")
            names = [plugin.distribution.name for plugin in fitting]
            offers = (f"`{each.distribution.name}` ({each.entry_point.value})" for each in fitting)
            finding = Finding(
                code="conflict",
                subject=identifier,
                summary=f"`{identifier}` is offered by {' and by '.join(offers)}",
                expected="one distribution",
                found=", ".join(names),
                hint="choose one in the descriptor: "
                f"`{group}: {{{name}: {{distribution: {names[0]}}}}}`",
            )
            left_out[identifier] = "several distributions offer this id", finding
    return left_out


def _request_findings(
    request: PluginRequest, judged: Mapping[str, Sequence[Decision]], descriptor: Descriptor
) -> Iterator[Finding]:
    """Yield what the descriptor says of a plugin and can't be had."""
    identifier, severity = request.id, severity_of(request)
    names = [decision.plugin.distribution.name for decision in judged.get(identifier, ())]
    unoffered = [(other, place_of_after(request, descriptor)) for other in request.after]
    for other, where in ((identifier, request.where), *unoffered):
        if other not in judged:
            near = nearest_plugin(other, judged)
            mention = (
                f"`{identifier}` comes after" if other != identifier else "the descriptor names"
            )
            yield Finding(
                code="unknown-plugin",
                severity=severity,
                subject=other,
                summary=f"{mention} `{other}`, which no distribution offers",
                where=where,
                hint=f"did you mean `{near}`?"
                if near
                else "add it, or list the plugins with `coral-runtime plugins list`",
            )
    if names and request.distribution not in (None, *names):
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
    unloaded = descriptor.unloaded(request.group)
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


def nearest_plugin(identifier: str, known: Collection[str]) -> str | None:
    """Return the known id, or name of a distribution, that is most similar.

    Where several have one name, what is of the same group counts, then what is of the same kind.
    """
    from difflib import get_close_matches

    group, separator, name = identifier.rpartition(":")
    names = {each.rpartition(":")[2]: each for each in sorted(known, reverse=True)}
    names |= {each.rpartition(":")[2]: each for each in known if (":" in each) == bool(separator)}
    names |= {each.rpartition(":")[2]: each for each in known if each.startswith(f"{group}:")}
    near = get_close_matches(name, sorted(names), 1)
    return names[near[0]] if near else None


def _unsupported(selected: _Selected) -> _LeftOut:
    """Return the first plugin that requires one that isn't selected.

    That is an error for one that is required, else a warning.
    """
    for identifier, decision in selected.items():
        for relation in decision.plugin.terms.requires:
            if relation.id not in selected:
                severity = severity_of(decision.request)
                finding = Finding(
                    code="required-plugin-missing",
                    severity=severity,
                    subject=identifier,
                    summary=f"`{identifier}` requires `{relation.id}` ({relation.reason}), "
                    "which isn't selected" + (", so it is left out" if severity == WARNING else ""),
                    hint=f"add or switch on `{relation.id}`, or switch `{identifier}` off",
                )
                return {identifier: (f"requires `{relation.id}`, which isn't selected", finding)}
    return {}


def _lacking(selected: _Selected, inventory: Inventory, host: Host) -> _LeftOut:
    """Return the optional plugins whose distributions have an unmet requirement.

    What something else requires as well stays an error, which leaving the plugin out
    wouldn't fix.

    Args:
        selected: the plugins, optional or not.
        inventory: where the plugins and what they require are.
        host: its versions count as present.
    """
    optional = [decision for decision in selected.values() if decision.is_optional]
    roots = {each.plugin.distribution.name for each in selected.values() if not each.is_optional}
    others = closure_of(roots if optional else (), inventory, host)
    left_out = {}
    for decision in optional:
        plugin, distribution = decision.plugin, decision.plugin.distribution
        own = closure_of((distribution.name,), inventory, host)
        unmet = next((each for each in own.unmet if each not in others.unmet), None)
        broken = next((each for each in own.broken if each not in others.broken), None)
        if unmet is not None:
            reason = unmet.reason(distribution.name)
            finding = unmet.finding(WARNING, f"{unmet.remedy}, or switch `{plugin.id}` off")
            finding = finding.replace(where=decision.where)
        elif broken is not None:
            reason = f"needs `{broken.name}`, which can't be used"
            finding = broken_finding(broken).replace(severity=WARNING, found=broken.error.message)
        else:
            continue
        summary = f"`{plugin.id}` of `{distribution.name}` {distribution.version} {reason}"
        finding = finding.replace(subject=plugin.id, summary=f"{summary}, so it is left out")
        left_out[plugin.id] = reason, finding
    return left_out


def _excluding(selected: _Selected) -> _LeftOut:
    """Return the first optional plugin that excludes another one, or is excluded by it.

    Of two optional ones it is the second.
    """
    for pair, relation in _exclusions(selected):
        optional = [decision.plugin.id for decision in pair if decision.is_optional]
        if optional:
            identifier = max(optional)
            other = next(each for each in pair if each.plugin.id != identifier)
            finding = _exclusion_finding(selected[identifier], other, relation)
            summary = f"{finding.summary}; `{identifier}` is left out"
            # The reason is part of locks, whose bytes stay as they are.
            reason = f"can't go together with `{other.plugin.id}`"
            return {identifier: (reason, finding.replace(severity=WARNING, summary=summary))}
    return {}


def _conflicts(selected: _Selected, descriptor: Descriptor) -> Iterator[Finding]:
    """Yield the plugins that exclude each other, or configure one key differently.

    What the descriptor says itself settles the latter.
    """
    for pair, relation in _exclusions(selected):
        yield _exclusion_finding(*pair, relation)
    overrides = {key: each.plugin.terms.default_config_overrides for key, each in selected.items()}
    for first, second, path in contradictions(overrides):
        key = ".".join(path)
        if descriptor.origins.get(key, DEFAULT_ORIGIN) == DEFAULT_ORIGIN:
            yield Finding(
                code="conflict",
                subject=second,
                summary=f"`{first}` and `{second}` set `{key}` to different values",
                hint=f"set `{key}` in the descriptor",
            )


def _exclusions(selected: _Selected) -> Iterator[tuple[tuple[Decision, Decision], Relation]]:
    """Yield each two plugins of which the first excludes the second, and why."""
    found: set[frozenset[str]] = set()
    for identifier, decision in selected.items():
        for relation in decision.plugin.terms.conflicts:
            pair = frozenset((identifier, relation.id))
            if relation.id in selected and pair not in found:
                found.add(pair)
                yield (decision, selected[relation.id]), relation


def _exclusion_finding(decision: Decision, other: Decision, relation: Relation) -> Finding:
    identifier = decision.plugin.id
    return Finding(
        code="conflict",
        subject=identifier,
        summary=f"`{identifier}` and `{other.plugin.id}` are mutually exclusive: {relation.reason}",
        where=decision.where,
        hint="switch one of them off in the descriptor",
    )
