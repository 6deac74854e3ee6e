"""Finding plugins and learning what they are, without running them in this process."""

from __future__ import annotations

from coral_lock.finding import ERROR, Finding
from coral_lock.inventory import BrokenDistribution
from coral_lock.names import plugin_id
from coral_lock.plugin.facts import PROBE, STATIC, FactsError
from coral_lock.probe.run import ProbeError
from coral_lock.record import Record
from coral_lock.static.evaluation import NotEvaluableError, evaluate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coral_lock.inventory import Distribution, EntryPoint, Inventory
    from coral_lock.plugin.facts import PluginFacts
    from coral_lock.reporter import Reporter

    Probe = Callable[[EntryPoint], tuple[PluginFacts, ...]]


class DiscoveredPlugin(Record):
    """A plugin that an entry point offers.

    Args:
        id: the plugin's id; for one whose spec isn't known, made from the entry point's name.
        entry_point: where it was declared.
        distribution: who offers it.
        facts: its spec's fields, or None where they couldn't be learnt.
        evidence: how they were learnt, `static` or `probe`; None without facts.
        problem: why it can't be used as it is, or None.
    """

    id: str
    entry_point: EntryPoint
    distribution: Distribution
    facts: PluginFacts | None = None
    evidence: str | None = None
    problem: Finding | None = None


class Discovery(Record):
    """Everything found: the plugins, sorted by id and distribution, and what is broken."""

    plugins: tuple[DiscoveredPlugin, ...]
    broken: tuple[BrokenDistribution, ...]


def discover(inventory: Inventory, probe: Probe | None, reporter: Reporter) -> Discovery:
    """Return the plugins of an inventory.

    The evidence is taken in this order: static evaluation of the source, then a probe.

    Args:
        inventory: where to look.
        probe: learns the specs of an entry point in a fresh interpreter; None forbids it.
        reporter: is told of the probes, as they take long.
    """
    plugins: list[DiscoveredPlugin] = []
    broken: list[BrokenDistribution] = []
    for distribution in inventory.plugin_distributions():
        if isinstance(distribution, BrokenDistribution):
            broken.append(distribution)
            continue
        for entry_point in distribution.entry_points:
            plugins.extend(_learn(entry_point, distribution, inventory, probe, reporter))
    plugins.sort(key=lambda plugin: (plugin.id, plugin.distribution.name, plugin.entry_point.name))
    return Discovery(plugins=tuple(plugins), broken=tuple(broken))


def _learn(
    entry_point: EntryPoint,
    distribution: Distribution,
    inventory: Inventory,
    probe: Probe | None,
    reporter: Reporter,
) -> Iterator[DiscoveredPlugin]:
    try:
        try:
            specs = evaluate(
                entry_point, lambda path: inventory.read_source(distribution.name, path)
            )
            evidence = STATIC
        except NotEvaluableError as error:
            if probe is None:
                raise ProbeError(f"{error}, and `--no-exec` forbids a probe") from None
            reporter.probing(entry_point.value)
            specs = probe(entry_point)
            evidence = PROBE
    except (FactsError, ProbeError) as error:
        yield _unknown(entry_point, distribution, error)
        return
    for facts in specs:
        yield DiscoveredPlugin(
            id=plugin_id(entry_point.group, facts.name),
            entry_point=entry_point,
            distribution=distribution,
            facts=facts,
            evidence=evidence,
        )


def _unknown(
    entry_point: EntryPoint, distribution: Distribution, error: Exception
) -> DiscoveredPlugin:
    identifier = plugin_id(entry_point.group, entry_point.name)
    is_wrong = isinstance(error, FactsError)
    return DiscoveredPlugin(
        id=identifier,
        entry_point=entry_point,
        distribution=distribution,
        problem=Finding(
            code="plugin-broken" if is_wrong else "spec-unknown",
            severity=ERROR,
            subject=identifier,
            summary=f"what `{identifier}` of `{distribution.name}` is can't be learnt: {error}",
            where=entry_point.value,
            hint=f"have `{distribution.name}` mended, uninstall it, or switch it off with "
            f"`{entry_point.group}: {{{entry_point.name}: false}}` in the descriptor",
        ),
    )
