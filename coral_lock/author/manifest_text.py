"""Manifests as YAML text: scalars, plugins, and whole documents."""

from __future__ import annotations

import re

from coral_lock.author.derived_fields import DERIVED_KEYS
from coral_lock.canonical_json import quote
from coral_lock.manifest.model import MANIFEST_VERSION
from coral_lock.schema_files import schema_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

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
