"""A manifest as the document that would give it again."""

from __future__ import annotations

from coral_lock.manifest.model import MANIFEST_VERSION
from coral_lock.plugin.terms import terms_to_mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from coral_lock.manifest.model import ManifestPlugin


def manifest_document(plugins: Iterable[ManifestPlugin]) -> dict[str, Any]:
    """Return plain data that `read_manifest` would read as these plugins."""
    return {
        "manifest_version": MANIFEST_VERSION,
        "plugins": [_plugin(plugin) for plugin in plugins],
    }


def _plugin(plugin: ManifestPlugin) -> dict[str, Any]:
    facts = plugin.facts
    fields = {
        "group": plugin.group,
        "name": facts.name,
        "entry_point": plugin.entry_point,
        "description": facts.description,
        "min_core_version": facts.min_core_version,
        "min_inference_version": facts.min_inference_version,
        **terms_to_mapping(plugin.terms),
    }
    return {key: value for key, value in fields.items() if value}
