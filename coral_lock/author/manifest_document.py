"""A manifest as the document that would give it again."""

from __future__ import annotations

from coral_lock.manifest.model import MANIFEST_VERSION

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
    facts, terms = plugin.facts, plugin.terms
    fields = {
        "group": plugin.group,
        "name": facts.name,
        "entry_point": plugin.entry_point,
        "description": facts.description,
        "min_core_version": facts.min_core_version,
        "min_inference_version": facts.min_inference_version,
        "platforms": list(terms.platforms),
        "after": list(terms.after),
        "requires": {relation.id: relation.reason for relation in terms.requires},
        "conflicts": {relation.id: relation.reason for relation in terms.conflicts},
        "default_config_overrides": dict(terms.default_config_overrides),
        "env": {
            variable.name: {"required": variable.required, "description": variable.description}
            for variable in terms.env
        },
        "homepage": terms.homepage,
    }
    return {key: value for key, value in fields.items() if value}
