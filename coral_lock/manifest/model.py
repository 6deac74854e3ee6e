"""A manifest as a value."""

from __future__ import annotations

from coral_lock.names import plugin_id
from coral_lock.plugin.terms import NO_TERMS, PluginTerms
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.plugin.facts import PluginFacts

MANIFEST_NAME = "coral_plugin.yaml"
MANIFEST_VERSION = 1
MAX_MANIFEST_BYTES = 256 * 1024


class ManifestPlugin(Record):
    """A plugin as a manifest declares it.

    `entry_point` is `module:attribute`; `place` is where in the file it stands.
    """

    group: str
    entry_point: str
    facts: PluginFacts
    terms: PluginTerms = NO_TERMS
    place: str = ""

    @property
    def id(self) -> str:
        return plugin_id(self.group, self.facts.name)


class Manifest(Record):
    """What one `coral_plugin.yaml` declares, in its own order."""

    plugins: tuple[ManifestPlugin, ...]

    def of_entry_point(self, group: str, entry_point: str) -> tuple[ManifestPlugin, ...]:
        """Return the plugins that an entry point of that group yields."""
        return tuple(
            plugin
            for plugin in self.plugins
            if plugin.group == group and plugin.entry_point == entry_point
        )


def manifest_paths(module: str) -> tuple[str, ...]:
    """Return where the manifest for an entry point's module can lie, under the site root.

    It is in the top-level package of the module. Where that is a namespace package, which
    several distributions share, it is in the topmost package that is the distribution's own.

    Args:
        module: the dotted name of the entry point's module.

    Returns:
        The paths to try in order; the first that is one of the distribution's files counts.
    """
    parts = module.split(".")
    return tuple("/".join((*parts[:depth], MANIFEST_NAME)) for depth in range(1, len(parts) + 1))
