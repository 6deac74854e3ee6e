"""The manifests that a distribution ships, found from its entry points alone."""

from __future__ import annotations

from coral_lock.errors import InputError, ProblemsError
from coral_lock.finding import WARNING, Finding
from coral_lock.manifest.model import manifest_paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from coral_lock.inventory import Distribution, EntryPoint, Inventory
    from coral_lock.manifest.model import Manifest, ManifestPlugin


class ManifestError(Exception):
    """A manifest can't be used; `where` is the place of its first mistake."""

    def __init__(self, message: str, where: str | None) -> None:
        super().__init__(message)
        self.where = where


class DistributionManifests:
    """The manifests of one distribution, each read once.

    Args:
        distribution: whose they are.
        inventory: reads its files.
    """

    def __init__(self, distribution: Distribution, inventory: Inventory) -> None:
        self._distribution = distribution
        self._inventory = inventory
        self._read: dict[str, Manifest | ManifestError | None] = {}

    def of(self, entry_point: EntryPoint) -> tuple[ManifestPlugin, ...]:
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
            content = self._inventory.read_source(self._distribution.name, path)
            if content is None:
                return None
            from coral_lock.manifest.reader import read_manifest

            return read_manifest(content, path)
        except InputError as error:
            return ManifestError(error.message, error.where)
        except ProblemsError as error:
            first = error.problems[0]
            return ManifestError(f"{error.message}, the first: {first.message}", first.where)
