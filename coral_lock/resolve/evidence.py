"""What distributions say of their plugins, in manifests and sources, each learnt once."""

from __future__ import annotations

from coral_lock.budget import Budget
from coral_lock.errors import InputError, ProblemsError, UnreadableSourceError
from coral_lock.finding import WARNING, Finding
from coral_lock.manifest.model import manifest_paths
from coral_lock.plugin.facts import FactsError
from coral_lock.static.evaluation import evaluate
from coral_lock.static.source import NotEvaluableError, Sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from coral_lock.inventory import Distribution, EntryPoint, Inventory
    from coral_lock.manifest.model import Manifest, ManifestPlugin
    from coral_lock.plugin.facts import PluginFacts


class ManifestError(Exception):
    """A manifest can't be used; `where` is the place of its first mistake."""

    def __init__(self, message: str, where: str | None) -> None:
        super().__init__(message)
        self.where = where


class Evidence:
    """What the distributions of a run say of their plugins, each learnt once.

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
        """Free the syntax trees; what was learnt of the entry points is kept."""
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
                        "point that the distribution doesn't declare, so it is passed over",
                        found=plugin.entry_point,
                        where=plugin.place,
                        hint="have its author run `coral-runtime manifest compile`",
                    )

    def _load(self, path: str) -> Manifest | ManifestError | None:
        try:
            content = self.allowance.reading(self._read_source)(path)
            if content is None:
                return None
            from coral_lock.manifest.reader import read_manifest

            return read_manifest(content, path)
        except InputError as error:
            return ManifestError(error.message, error.where)
        except ProblemsError as error:
            first = error.problems[0]
            return ManifestError(f"{error.message}, the first: {first.message}", first.where)
