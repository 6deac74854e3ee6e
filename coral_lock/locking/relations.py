"""What selected plugins require of each other, and which optional ones are left out for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from coral_lock.descriptor.model import Descriptor, PluginRequest
from coral_lock.document.node import dotted
from coral_lock.finding import WARNING, Finding
from coral_lock.inventory import BrokenDistribution
from coral_lock.lockfile.entries import Host
from coral_lock.lockfile.order import CycleError
from coral_lock.locking.closure import NOT_PEP_508, Closure, Unmet, closure_of
from coral_lock.locking.decision import Decision, DiscoveredPlugin, request_for, severity_of
from coral_lock.names import GROUPS
from coral_lock.plugin.terms import Relation, contradictions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.inventory import Inventory


class Choosing:
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


def place_of_after(request: PluginRequest, descriptor: Descriptor) -> str:
    """Return where the descriptor says after which plugins one comes."""
    key = dotted((request.group, request.name, "after"))
    return descriptor.origins.get(key, request.where)


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


def activated_after(
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
