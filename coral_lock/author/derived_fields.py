"""The fields of a manifest's plugin that come from its code."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from coral_lock.manifest.model import ManifestPlugin
    from coral_lock.plugin.facts import PluginFacts

DERIVED_KEYS = (
    "group",
    "name",
    "entry_point",
    "description",
    "min_core_version",
    "min_inference_version",
)
"""Their keys, in the order in which they are written."""


def derived_fields(group: str, entry_point: str, facts: PluginFacts) -> Mapping[str, str]:
    """Return the derived fields that a manifest states, in the order of `DERIVED_KEYS`."""
    fields = {
        "group": group,
        "name": facts.name,
        "entry_point": entry_point,
        "description": facts.description,
        "min_core_version": facts.min_core_version,
        "min_inference_version": facts.min_inference_version,
    }
    return {key: value for key, value in fields.items() if value}


def written_fields(plugin: ManifestPlugin) -> Mapping[str, str]:
    """Return the derived fields as a manifest has them."""
    return derived_fields(plugin.group, plugin.entry_point, plugin.facts)


def refusal(fields: Mapping[str, str]) -> str | None:
    """Return why a manifest can't state these fields, or None."""
    from packaging.version import Version

    for key in ("min_core_version", "min_inference_version"):
        if key in fields:
            try:
                Version(fields[key])
            except ValueError:
                return f"its `{key}` isn't a PEP 440 version: `{fields[key]}`"
    if not fields.get("description", "").isprintable():
        return "its `description` isn't one line of printable text"
    return None
