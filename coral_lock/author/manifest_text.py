"""Manifests as YAML text: scalars, plugins, and whole documents."""

from __future__ import annotations

import re

from coral_lock.canonical_json import quote
from coral_lock.manifest.model import MANIFEST_VERSION
from coral_lock.plugin.terms import terms_to_mapping
from coral_lock.schema_files import schema_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

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


_VERSION_KEYS = ("min_core_version", "min_inference_version")

# What no version of YAML takes for anything but text, even within a flow collection.
_PLAIN = re.compile(r"[A-Za-z_][\w./()+'-]*(?:(?: |:(?! |$))[\w./()+'-]+)*", re.ASCII)
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def scalar(text: str, style: str | None = None) -> str:
    """Return a text as a YAML scalar on one line.

    Args:
        text: the text, which is printable.
        style: how it is quoted, `"` or `'`; None for no quotes where none are needed.
    """
    if style is None and _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    if style == "'" and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return quote(text)


def field_scalar(key: str, text: str, style: str | None = None) -> str:
    """Return the value of a plugin's field as a scalar; a version is always quoted."""
    return scalar(text, style or ('"' if key in _VERSION_KEYS else None))


def plugin_lines(fields: Mapping[str, str], column: int, offset: int) -> Iterator[str]:
    """Yield the lines of a plugin as an item of a block sequence.

    Args:
        fields: the derived fields.
        column: where the dash stands, from 0.
        offset: how far behind the dash the keys stand.
    """
    lead = " " * column + "-" + " " * (offset - 1)
    for key in DERIVED_KEYS:
        if key in fields:
            yield f"{lead}{key}: {field_scalar(key, fields[key])}"
            lead = " " * (column + offset)


def new_manifest(plugins: Sequence[Mapping[str, str]]) -> str:
    """Return the text of a manifest that declares plugins by their derived fields."""
    lines = [
        f"# yaml-language-server: $schema={schema_url('manifest')}",
        f"manifest_version: {MANIFEST_VERSION}",
        "plugins:",
    ]
    for fields in plugins:
        lines += plugin_lines(fields, 2, 2)
    return "\n".join(lines) + "\n"


def yaml_text(document: Mapping[str, Any]) -> str:
    """Return a document of mappings, lists and scalars as YAML in block style."""
    return "\n".join(_block(document, "")) + "\n"


def _block(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _member(f"{indent}{scalar(key)}:", member, f"{indent}  ")
    else:
        for item in value:
            first, *rest = _member("-", item, "") if not item else _item(item)
            yield indent + first
            yield from (indent + line for line in rest)


def _item(value: Any) -> Iterator[str]:
    if not isinstance(value, (dict, list)):
        yield f"- {_inline(value)}"
        return
    lead = "- "
    for line in _block(value, ""):
        yield lead + line
        lead = "  "


def _member(head: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, (dict, list)) and value:
        yield head
        yield from _block(value, indent)
    else:
        yield f"{head} {_inline(value)}"


def _inline(value: Any) -> str:
    if isinstance(value, str):
        return scalar(value)
    if isinstance(value, (dict, list)):
        return "{}" if isinstance(value, dict) else "[]"
    import json

    return json.dumps(value)
