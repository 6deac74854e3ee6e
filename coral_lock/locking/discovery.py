"""Finding plugins and learning what they are: from manifests, from sources, by a probe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from coral_lock.budget import Budget, OverBudgetError
from coral_lock.errors import InputError, ProblemsError, UnreadableSourceError
from coral_lock.finding import ERROR, WARNING, Finding
from coral_lock.inventory import BrokenDistribution, Distribution, EntryPoint, Inventory, Reporter
from coral_lock.locking.decision import DiscoveredPlugin
from coral_lock.manifest import Manifest, ManifestPlugin, manifest_paths
from coral_lock.names import ENTRY_POINT_GROUPS, nearest_group, plugin_id
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
from coral_lock.probe.run import ProbeError
from coral_lock.static.evaluation import evaluate
from coral_lock.static.source import NotEvaluableError, Sources

Probe: TypeAlias = Callable[[EntryPoint], tuple[PluginFacts, ...]]
NO_EXEC = "`--no-exec` forbids a probe"


class ManifestError(Exception):
    """A manifest can't be used; `where` is the place of its first mistake."""

    def __init__(self, message: str, where: str | None) -> None:
        super().__init__(message)
        self.where = where


class Evidence:
    """What the distributions of a run say of their plugins, each learned once.

    A wheel can be that of several targets, and is looked at to choose it and to lock it.
    """

    def __init__(self) -> None:
        self._budget = Budget()
        self._known: dict[Distribution, DistributionEvidence] = {}

    def of(self, distribution: Distribution, inventory: Inventory) -> DistributionEvidence:
        """Return what a distribution says, which an inventory has."""
        if distribution not in self._known:
            told = DistributionEvidence(distribution, inventory, self._budget)
            self._known[distribution] = told
        return self._known[distribution]


class DistributionEvidence:
    """What one distribution says of its plugins: each file is read once.

    Args:
        distribution: whose plugins they are.
        inventory: reads its files.
        budget: that of the run.
    """

    def __init__(self, distribution: Distribution, inventory: Inventory, budget: Budget) -> None:
        self._distribution = distribution
        self.allowance = budget.of(distribution.location)
        """What learning about the distribution may cost."""
        self._read_source = lambda path: inventory.read_source(distribution.name, path)
        self._sources: Sources | None = None
        self._read: dict[str, Manifest | ManifestError | None] = {}
        self._evaluated: dict[EntryPoint, tuple[PluginFacts, ...] | Exception] = {}

    def evaluated(self, entry_point: EntryPoint) -> tuple[PluginFacts, ...]:
        """Return the facts of an entry point's specs, evaluated from the sources.

        Raises:
            NotEvaluableError: they aren't certain.
            FactsError: they are certain, and wrong.
            UnreadableSourceError: a source can't be read.
        """
        if entry_point not in self._evaluated:
            self._evaluated[entry_point] = self._evaluate(entry_point)
        facts = self._evaluated[entry_point]
        if isinstance(facts, Exception):
            raise facts
        return facts

    def _evaluate(self, entry_point: EntryPoint) -> tuple[PluginFacts, ...] | Exception:
        if self._sources is None:
            self._sources = Sources(self._read_source, self.allowance)
        try:
            return evaluate(entry_point, self._sources)
        except (NotEvaluableError, FactsError, UnreadableSourceError) as error:
            return error

    def forget_sources(self) -> None:
        """Free the syntax trees; what was learned of the entry points is kept."""
        self._sources = None

    def declared(self, entry_point: EntryPoint) -> tuple[ManifestPlugin, ...]:
        """Return what the manifest says of an entry point; nothing where there is none.

        Raises:
            ManifestError: the manifest can't be used.
        """
        for path in manifest_paths(entry_point.value.partition(":")[0]):
            if path not in self._read:
                self._read[path] = self._load(path)
            manifest = self._read[path]
            if isinstance(manifest, ManifestError):
                raise manifest
            if manifest is not None:
                declared = manifest.of_entry_point(entry_point.group, entry_point.value)
                return self._of_shared(entry_point, declared)
        return ()

    def _of_shared(
        self, entry_point: EntryPoint, declared: tuple[ManifestPlugin, ...]
    ) -> tuple[ManifestPlugin, ...]:
        """Tell apart entry points of one target: each stands for the plugin of its name."""
        targets = [(point.group, point.value) for point in self._distribution.entry_points]
        if targets.count((entry_point.group, entry_point.value)) == 1:
            return declared
        return tuple(plugin for plugin in declared if plugin.facts.name == entry_point.name)

    def undeclared(self) -> Iterator[Finding]:
        """Yield a warning for each plugin whose entry point the distribution doesn't declare."""
        declared = {(point.group, point.value) for point in self._distribution.entry_points}
        for path in sorted(self._read):
            manifest = self._read[path]
            if manifest is None or isinstance(manifest, ManifestError):
                continue
            for plugin in manifest.plugins:
                if (plugin.group, plugin.entry_point) not in declared:
                    yield Finding(
                        code="manifest-invalid",
                        severity=WARNING,
                        subject=plugin.id,
                        summary=f"the manifest of `{self._distribution.name}` names an entry "
                        "point that the distribution doesn't declare, so it is ignored",
                        found=plugin.entry_point,
                        where=plugin.place,
                        hint="have its author run `coral-runtime manifest compile`",
                    )

    def _load(self, path: str) -> Manifest | ManifestError | None:
        try:
            content = self.allowance.reading(self._read_source)(path)
            if content is None:
                return None
            from coral_lock.manifest import read_manifest

            return read_manifest(content, path)
        except InputError as error:
            return ManifestError(error.message, error.where)
        except ProblemsError as error:
            first = error.problems[0]
            return ManifestError(f"{error.message}, the first: {first.message}", first.where)


@dataclass(frozen=True, kw_only=True, slots=True)
class Discovery:
    """Everything found: the plugins, sorted by id and distribution, and what is broken."""

    plugins: tuple[DiscoveredPlugin, ...]
    broken: tuple[BrokenDistribution, ...]
    findings: tuple[Finding, ...] = ()


def discover(
    inventory: Inventory,
    probe: Probe | None,
    reporter: Reporter,
    no_probe: str = NO_EXEC,
    evidence: Evidence | None = None,
) -> Discovery:
    """Return the plugins of an inventory.

    The evidence is taken in this order: the manifest, static evaluation of the source, a
    probe.

    Args:
        inventory: where to look.
        probe: learns the specs of an entry point in a fresh interpreter; None forbids it.
        reporter: notified of the probes, as they take long.
        no_probe: why there is no probe, where there is none.
        evidence: what was learned of distributions before in this run.

    Raises:
        RunOverBudgetError: learning about all distributions costs too much.
    """
    learner = _Learner(probe, reporter, no_probe)
    evidence = evidence or Evidence()
    plugins: list[DiscoveredPlugin] = []
    broken: list[BrokenDistribution] = []
    findings: list[Finding] = []
    for distribution in inventory.plugin_distributions():
        if isinstance(distribution, BrokenDistribution):
            broken.append(distribution)
            continue
        told = evidence.of(distribution, inventory)
        for entry_point in distribution.entry_points:
            plugins.extend(learner.learn(entry_point, distribution, told))
        told.forget_sources()
        findings.extend(told.undeclared())
        findings.extend(_of_unknown_groups(distribution))
    plugins.sort(key=lambda plugin: (plugin.id, plugin.distribution.name, plugin.entry_point.name))
    return Discovery(plugins=tuple(plugins), broken=tuple(broken), findings=tuple(findings))


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
            f"`{distribution.name}` and reinstall, or uninstall it"
            if near
            else None,
        )


class _Learner:
    """Learns what entry points yield, from the first evidence that there is."""

    def __init__(self, probe: Probe | None, reporter: Reporter, no_probe: str) -> None:
        self._probe = probe
        self._reporter = reporter
        self._no_probe = no_probe

    def learn(
        self,
        entry_point: EntryPoint,
        distribution: Distribution,
        evidence: DistributionEvidence,
    ) -> Iterator[DiscoveredPlugin]:
        """Yield the plugins of an entry point, or one that says why they can't be learned."""
        try:
            declared = evidence.declared(entry_point)
            if declared:
                for plugin in declared:
                    yield _discovered(
                        entry_point, distribution, plugin.facts, MANIFEST, terms=plugin.terms
                    )
                return
            specs, kind = self._evaluated_or_probed(entry_point, evidence)
        except (FactsError, ManifestError, ProbeError) as error:
            yield _unknown(entry_point, distribution, error)
            return
        for facts in specs:
            yield _discovered(entry_point, distribution, facts, kind)

    def _evaluated_or_probed(
        self, entry_point: EntryPoint, evidence: DistributionEvidence
    ) -> tuple[Sequence[PluginFacts], str]:
        try:
            return evidence.evaluated(entry_point), STATIC
        except (NotEvaluableError, UnreadableSourceError) as error:
            if self._probe is None:
                raise ProbeError(f"{error}, and {self._no_probe}") from None
        try:
            evidence.allowance.probe()
        except OverBudgetError as error:
            raise ProbeError(str(error)) from None
        self._reporter.probing(entry_point.value)
        return self._probe(entry_point), PROBE


def _discovered(
    entry_point: EntryPoint,
    distribution: Distribution,
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
            summary=f"`{identifier}` of `{distribution.name}` has the name of one of the "
            "host's own patches, so it can't be switched",
            where=entry_point.value,
            hint="have its author give it another name",
        )
    return DiscoveredPlugin(
        id=identifier,
        entry_point=entry_point,
        distribution=distribution,
        facts=facts,
        evidence=evidence,
        terms=terms,
        problem=problem,
    )


def _unknown(
    entry_point: EntryPoint, distribution: Distribution, error: Exception
) -> DiscoveredPlugin:
    identifier = plugin_id(entry_point.group, entry_point.name)
    code = (
        "manifest-invalid"
        if isinstance(error, ManifestError)
        else "plugin-broken"
        if isinstance(error, FactsError)
        else "spec-unknown"
    )
    return DiscoveredPlugin(
        id=identifier,
        entry_point=entry_point,
        distribution=distribution,
        problem=Finding(
            code=code,
            severity=ERROR,
            subject=identifier,
            summary=f"`{identifier}` of `{distribution.name}` can't be used: {error}",
            where=error.where if isinstance(error, ManifestError) else entry_point.value,
            hint=f"report it upstream, uninstall `{distribution.name}`, or switch it off with "
            f"`{entry_point.group}: {{{entry_point.name}: false}}` in the descriptor",
        ),
    )
