"""Finding plugins and learning what they are, without running them in this process."""

from __future__ import annotations

from coral_lock.budget import OverBudgetError
from coral_lock.errors import UnreadableSourceError
from coral_lock.finding import ERROR, WARNING, Finding
from coral_lock.inventory import BrokenDistribution
from coral_lock.names import ENTRY_POINT_GROUPS, nearest_group, plugin_id
from coral_lock.plugin.config import BUILT_IN_PATCHES
from coral_lock.plugin.facts import MANIFEST, PROBE, STATIC, FactsError
from coral_lock.plugin.terms import NO_TERMS
from coral_lock.probe.run import ProbeError
from coral_lock.record import Record
from coral_lock.resolve.evidence import Evidence, ManifestError
from coral_lock.static.source import NotEvaluableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from coral_lock.inventory import Distribution, EntryPoint, Inventory
    from coral_lock.plugin.facts import PluginFacts
    from coral_lock.plugin.terms import PluginTerms
    from coral_lock.reporter import Reporter
    from coral_lock.resolve.evidence import DistributionEvidence

    Probe = Callable[[EntryPoint], tuple[PluginFacts, ...]]


NO_EXEC = "`--no-exec` forbids a probe"


class DiscoveredPlugin(Record):
    """A plugin that an entry point offers.

    Args:
        id: the plugin's id; for one whose spec isn't known, made from the entry point's name.
        entry_point: where it was declared.
        distribution: who offers it.
        facts: its spec's fields, or None where they couldn't be learnt.
        evidence: how they were learnt, `manifest`, `static` or `probe`; None without facts.
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


class Discovery(Record):
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
        reporter: is told of the probes, as they take long.
        no_probe: why there is no probe, where there is none.
        evidence: what was learnt of distributions before in this run.

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
            summary=f"`{distribution.name}` declares entry points in the group `{group}`, of which "
            "nobody loads plugins",
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
        """Yield the plugins of an entry point, or one that says why they can't be learnt."""
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
            severity=ERROR,
            subject=identifier,
            summary=f"`{identifier}` of `{distribution.name}` bears the name of a patch of the "
            "host itself, so it couldn't be switched",
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
            summary=f"`{identifier}` of `{distribution.name}` can't be understood: {error}",
            where=error.where if isinstance(error, ManifestError) else entry_point.value,
            hint=f"have `{distribution.name}` mended, uninstall it, or switch it off with "
            f"`{entry_point.group}: {{{entry_point.name}: false}}` in the descriptor",
        ),
    )
