"""Finding plugins and learning what they are: from manifests, from sources, by a probe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from coral_lock.budget import Budget, OverBudgetError
from coral_lock.errors import InputError, ProblemsError, UnreadableSourceError
from coral_lock.finding import ERROR, WARNING, Finding
from coral_lock.inventory import BrokenDistribution, Distribution, EntryPoint, Inventory, Reporter
from coral_lock.locking.decision import DiscoveredPlugin
from coral_lock.manifest import ManifestPlugin, manifest_paths, read_manifest
from coral_lock.names import ENTRY_POINT_GROUPS, is_plugin_name, nearest_group, plugin_id
from coral_lock.plugin.config import BUILT_IN_PATCHES
from coral_lock.plugin.facts import (
    MANIFEST,
    NO_TERMS,
    PROBE,
    STATIC,
    FactsError,
    PluginFacts,
    PluginTerms,
)
from coral_lock.record import Record

# Distributions with a manifest need neither these nor the probe, which take longer to import than
# manifests to be read.
if TYPE_CHECKING:
    from coral_lock.static.source import Sources

Probe: TypeAlias = Callable[[EntryPoint], tuple[PluginFacts, ...]]
NO_EXEC = "`--no-exec` forbids a probe"


class ManifestError(InputError):
    """A manifest can't be used; `where` is the place of its first mistake."""


class Evidence:
    """What the distributions of a run say of their plugins, each learned once.

    A wheel can be that of several targets, and is looked at to choose it and to lock it.

    Args:
        probe: learns the specs of an entry point in a fresh interpreter; None forbids it.
        no_probe: why there is no probe, where there is none.
    """

    def __init__(self, probe: Probe | None = None, no_probe: str = NO_EXEC) -> None:
        self.probe = probe
        self.no_probe = no_probe
        self._budget = Budget()
        self._known: dict[Distribution, Discovery] = {}

    def of(self, distribution: Distribution, inventory: Inventory, reporter: Reporter) -> Discovery:
        """Return what a distribution says, which an inventory has.

        Raises:
            RunOverBudgetError: learning about all distributions costs too much.
        """
        if distribution not in self._known:
            budget = Budget(self._budget, distribution.location)
            learner = _Learner(self, distribution, inventory, budget, reporter)
            self._known[distribution] = learner.learn()
        return self._known[distribution]


class Discovery(Record):
    """What was found, in one distribution or in all.

    Args:
        plugins: the plugins; of all distributions sorted by id and distribution.
        findings: what is wrong with what the distributions declare.
        broken: the distributions that can't be used.
    """

    plugins: tuple[DiscoveredPlugin, ...]
    findings: tuple[Finding, ...]
    broken: tuple[BrokenDistribution, ...] = ()


def discover(
    inventory: Inventory, evidence: Evidence, reporter: Reporter | None = None
) -> Discovery:
    """Return the plugins of an inventory.

    Args:
        inventory: where to look.
        evidence: what was learned of distributions before in this run; more is added.
        reporter: notified of the probes, as they take long.

    Raises:
        RunOverBudgetError: learning about all distributions costs too much.
    """
    found = inventory.plugin_distributions()
    learned = [
        evidence.of(each, inventory, reporter or Reporter())
        for each in found
        if isinstance(each, Distribution)
    ]
    plugins = [plugin for each in learned for plugin in each.plugins]
    plugins.sort(key=lambda plugin: (plugin.id, plugin.distribution.name, plugin.entry_point.name))
    return Discovery(
        plugins=tuple(plugins),
        broken=tuple(each for each in found if isinstance(each, BrokenDistribution)),
        findings=tuple(finding for each in learned for finding in each.findings),
    )


class _Learner:
    """Learns what the entry points of a distribution yield; each file is read once.

    The evidence is taken in this order: the manifest, static evaluation of the source, a
    probe.

    Args:
        evidence: has the probe.
        distribution: whose plugins they are.
        inventory: reads its files.
        budget: what learning about it may cost.
        reporter: notified of the probes.
    """

    def __init__(
        self,
        evidence: Evidence,
        distribution: Distribution,
        inventory: Inventory,
        budget: Budget,
        reporter: Reporter,
    ) -> None:
        self._evidence = evidence
        self._distribution = distribution
        self._budget = budget
        self._reporter = reporter
        self._read_source = lambda path: inventory.read_source(distribution.name, path)
        self._manifests: dict[str, tuple[ManifestPlugin, ...] | ManifestError | None] = {}

    def learn(self) -> Discovery:
        """Return the plugins of all entry points, and what is wrong with what is declared."""
        return Discovery(
            plugins=tuple(
                plugin
                for entry_point in self._distribution.entry_points
                for plugin in self._plugins_of(entry_point)
            ),
            findings=(*self._undeclared(), *_of_unknown_groups(self._distribution)),
        )

    @cached_property
    def _sources(self) -> Sources:
        from coral_lock.static.source import Sources

        return Sources(self._read_source, self._budget)

    def _plugins_of(self, entry_point: EntryPoint) -> list[DiscoveredPlugin]:
        """Return the plugins of an entry point, or one that says why they can't be learned."""
        try:
            declared = self._declared(entry_point)
        except ManifestError as error:
            return [self._unknown(entry_point, error)]
        if declared:
            return [
                self._discovered(entry_point, plugin.facts, MANIFEST, plugin.terms)
                for plugin in declared
            ]
        from coral_lock.probe.run import ProbeError

        try:
            specs, kind = self._evaluated_or_probed(entry_point)
            return [self._discovered(entry_point, facts, kind) for facts in specs]
        except (FactsError, ProbeError) as error:
            return [self._unknown(entry_point, error)]

    def _declared(self, entry_point: EntryPoint) -> tuple[ManifestPlugin, ...]:
        """Return what the manifest says of an entry point; nothing where there is none.

        Of entry points that name one object each stands for the plugin of its name.

        Raises:
            ManifestError: the manifest can't be used.
        """
        for path in manifest_paths(entry_point.value.partition(":")[0]):
            if path not in self._manifests:
                self._manifests[path] = self._load(path)
            manifest = self._manifests[path]
            if isinstance(manifest, ManifestError):
                raise manifest
            if manifest is not None:
                return tuple(
                    plugin
                    for plugin in manifest
                    if plugin.is_of(entry_point)
                    and (
                        sum(map(plugin.is_of, self._distribution.entry_points)) == 1
                        or plugin.facts.name == entry_point.name
                    )
                )
        return ()

    def _load(self, path: str) -> tuple[ManifestPlugin, ...] | ManifestError | None:
        try:
            content = self._budget.reading(self._read_source)(path)
            return None if content is None else read_manifest(content, path)
        except InputError as error:
            return ManifestError(error.message, where=error.where)
        except ProblemsError as error:
            first = error.problems[0]
            return ManifestError(f"{error.message}, the first: {first.message}", where=first.where)

    def _undeclared(self) -> Iterator[Finding]:
        """Yield a warning for each plugin whose entry point the distribution doesn't declare."""
        name = self._distribution.name
        for _, manifest in sorted(self._manifests.items()):
            for plugin in manifest if isinstance(manifest, tuple) else ():
                if not any(map(plugin.is_of, self._distribution.entry_points)):
                    yield Finding(
                        code="manifest-invalid",
                        severity=WARNING,
                        subject=plugin.id,
                        summary=f"the manifest of `{name}` names an entry point that the "
                        "distribution doesn't declare, so it is ignored",
                        found=plugin.entry_point,
                        where=plugin.place,
                        hint="have its author run `coral-runtime manifest compile`",
                    )

    def _evaluated_or_probed(self, entry_point: EntryPoint) -> tuple[Sequence[PluginFacts], str]:
        from coral_lock.probe.run import ProbeError
        from coral_lock.static.evaluation import evaluate
        from coral_lock.static.source import NotEvaluableError

        try:
            return evaluate(entry_point, self._sources), STATIC
        except (NotEvaluableError, UnreadableSourceError) as error:
            if self._evidence.probe is None:
                raise ProbeError(f"{error}, and {self._evidence.no_probe}") from None
        try:
            self._budget.spend("probes")
        except OverBudgetError as error:
            raise ProbeError(str(error)) from None
        self._reporter.probing(entry_point.value)
        return self._evidence.probe(entry_point), PROBE

    def _discovered(
        self,
        entry_point: EntryPoint,
        facts: PluginFacts,
        evidence: str,
        terms: PluginTerms = NO_TERMS,
    ) -> DiscoveredPlugin:
        identifier = plugin_id(entry_point.group, facts.name)
        problem = None
        if entry_point.group == "patches" and facts.name in BUILT_IN_PATCHES:
            problem = Finding(
                code="plugin-broken",
                subject=identifier,
                summary=f"`{identifier}` of `{self._distribution.name}` has the name of one of "
                "the host's own patches, so it can't be switched",
                where=entry_point.value,
                hint="have its author give it another name",
            )
        return DiscoveredPlugin(
            id=identifier,
            entry_point=entry_point,
            distribution=self._distribution,
            facts=facts,
            evidence=evidence,
            terms=terms,
            problem=problem,
        )

    def _unknown(self, entry_point: EntryPoint, error: Exception) -> DiscoveredPlugin:
        identifier = plugin_id(entry_point.group, entry_point.name)
        name = self._distribution.name
        code = "plugin-broken" if isinstance(error, FactsError) else "spec-unknown"
        reason, where = str(error), entry_point.value
        if isinstance(error, ManifestError):
            code, reason, where = "manifest-invalid", error.message, error.where or where
        switch = f"`{entry_point.group}: {{{entry_point.name}: false}}` in the descriptor"
        return DiscoveredPlugin(
            id=identifier,
            entry_point=entry_point,
            distribution=self._distribution,
            problem=Finding(
                code=code,
                subject=identifier,
                summary=f"`{identifier}` of `{name}` can't be used: {reason}",
                where=where,
                hint=f"report it upstream, uninstall `{name}`, or switch it off with {switch}"
                if is_plugin_name(entry_point.name)
                else f"report it upstream, or uninstall `{name}`",
            ),
        )


def _of_unknown_groups(distribution: Distribution) -> Iterator[Finding]:
    """Yield a finding for each group that nobody knows: an error where it must be a misspelling."""
    for group in distribution.unknown_groups:
        near = nearest_group(group)
        yield Finding(
            code="unknown-group",
            severity=ERROR if near else WARNING,
            subject=distribution.name,
            summary=f"`{distribution.name}` declares entry points in the group `{group}`, which "
            "no host loads",
            expected=" or ".join(f"`{known}`" for known in ENTRY_POINT_GROUPS.values()),
            found=group,
            where=distribution.location,
            hint=f"did you mean `{ENTRY_POINT_GROUPS[near]}`? Correct it in the project of "
            f"`{distribution.name}` and build it again, or do without it"
            if near
            else None,
        )
