"""Manifests as YAML text: new ones, and changes that keep what the author wrote.

The nodes of PyYAML have positions in the text. So a change of a plugin in block style replaces
only the characters of its own values; comments, quotes, order and blank lines are kept. A plugin
or a list in flow style, `{…}` or `[…]`, is written as a whole if something in it changes.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml
from packaging.version import Version

from coral_lock.canonical_json import quote
from coral_lock.document.node import RefusedNumberError, resolve_plain
from coral_lock.manifest import MANIFEST_VERSION, Manifest, ManifestPlugin
from coral_lock.plugin.facts import PluginFacts, terms_to_mapping

Fields: TypeAlias = Mapping[str, str]
Node: TypeAlias = Any

_VERSION_KEYS = ("min_core_version", "min_inference_version")
DERIVED_KEYS = ("group", "name", "entry_point", "description", *_VERSION_KEYS)
"""The keys whose values come from the code, in the order in which they are written."""

# What no version of YAML takes for anything but text, even within a flow collection.
_PLAIN = re.compile(r"[A-Za-z_][\w./()+'-]*(?:(?: |:(?! |$))[\w./()+'-]+)*", re.ASCII)
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_BLOCK_SCALARS = ("|", ">")


def derived_fields(group: str, entry_point: str, facts: PluginFacts) -> Fields:
    """Return the fields that the code determines, in the order of `DERIVED_KEYS`."""
    fields = {"group": group, "name": facts.name, "entry_point": entry_point}
    fields |= {key: getattr(facts, key) for key in DERIVED_KEYS[3:]}
    return {key: value for key, value in fields.items() if value}


def written_fields(plugin: ManifestPlugin) -> Fields:
    """Return the same fields as a manifest has them."""
    return derived_fields(plugin.group, plugin.entry_point, plugin.facts)


def refusal(fields: Fields) -> str | None:
    """Return why a manifest can't state these fields, or None."""
    for key in _VERSION_KEYS:
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
        "plugins": [
            {
                **written_fields(plugin),
                **{key: value for key, value in terms_to_mapping(plugin.terms).items() if value},
            }
            for plugin in plugins
        ],
    }


def _is_plain_text(text: str) -> bool:
    """Whether our reader takes `text` for text without quotes; YAML 1.1, so PyYAML, differs."""
    try:
        return isinstance(resolve_plain(text), str)
    except RefusedNumberError:
        return False


class _Dumper(yaml.SafeDumper):
    """Indents lists, as our manifests do, and quotes what our reader takes for other than text."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def represent_str(self, text: str) -> yaml.ScalarNode:
        style = '"' if not text.isprintable() else None if _is_plain_text(text) else "'"
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_str)


def yaml_text(document: Any) -> str:
    """Return plain data as YAML in block style."""
    text: str = yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=sys.maxsize
    )
    return text


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


def _field_scalar(key: str, text: str, style: str | None = None) -> str:
    """Return the value of a plugin's field as a scalar; a version is always quoted."""
    return scalar(text, style or ('"' if key in _VERSION_KEYS else None))


def _plugin_lines(fields: Fields, column: int, offset: int) -> Iterator[str]:
    """Yield the lines of a plugin: the dash at a column from 0, the keys `offset` behind it."""
    lead = " " * column + "-" + " " * (offset - 1)
    for key in DERIVED_KEYS:
        if key in fields:
            yield f"{lead}{key}: {_field_scalar(key, fields[key])}"
            lead = " " * (column + offset)


def new_manifest(plugins: Sequence[Fields]) -> str:
    """Return the text of a manifest that declares plugins by their derived fields."""
    lines = [
        "# Its JSON Schema: coral-runtime manifest schema",
        f"manifest_version: {MANIFEST_VERSION}",
        "plugins:",
    ]
    for fields in plugins:
        lines += _plugin_lines(fields, 2, 2)
    return "\n".join(lines) + "\n"


def matching_plugins(
    manifest: Manifest, derived: Sequence[Fields], kept: set[int]
) -> dict[int, int]:
    """Return which plugin of a manifest is which derived one, by their positions.

    The id counts first. If one plugin on each side remains with the same entry point, it was
    renamed.
    """
    written = [written_fields(plugin) for plugin in manifest.plugins]
    found: dict[int, int] = {}
    for keys in (("group", "name"), ("group", "entry_point"), ("entry_point",)):
        old = _unique(written, keys, {*kept, *found})
        new = _unique(derived, keys, set(found.values()))
        for identity in old.keys() & new.keys():
            found[old[identity]] = new[identity]
    return found


def _unique(
    plugins: Sequence[Fields], keys: Sequence[str], without: set[int]
) -> dict[tuple[str, ...], int]:
    """Return the positions of plugins by these fields, without those that several share."""
    identities = {
        index: tuple(fields[key] for key in keys)
        for index, fields in enumerate(plugins)
        if index not in without
    }
    every = list(identities.values())
    return {key: index for index, key in identities.items() if every.count(key) == 1}


@dataclass(frozen=True, kw_only=True, slots=True)
class ManifestChanges:
    """Changes of the plugins of a manifest.

    Args:
        fields: for each plugin by its position, the fields to set, or with None to remove.
        removed: the positions of the plugins to remove.
        added: the derived fields of the plugins to append.
    """

    fields: Mapping[int, Mapping[str, str | None]] = field(default_factory=dict)
    removed: frozenset[int] = frozenset()
    added: Sequence[Fields] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.fields or self.removed or self.added)


def edited_manifest(text: str, manifest: Manifest, changes: ManifestChanges) -> str:
    """Return the text of a manifest with changes made to it.

    Args:
        text: the text.
        manifest: what `read_manifest` read from it.
        changes: the changes.
    """
    root: Node = yaml.compose(text, Loader=yaml.SafeLoader)
    plugins = next(value for key, value in root.value if key.value == "plugins")
    editor = _Editor(text, manifest, changes)
    if plugins.flow_style:
        editor.replace_flow_list(plugins, is_json=bool(root.flow_style))
    else:
        editor.change_block_list(plugins)
    return editor.text()


class _Editor:
    """Gathers replacements of parts of a text."""

    def __init__(self, text: str, manifest: Manifest, changes: ManifestChanges) -> None:
        self._text = text
        self._manifest = manifest
        self._changes = changes
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._edits: list[tuple[int, int, str]] = []

    def text(self) -> str:
        """Return the text with all replacements made."""
        pieces, position = [], 0
        for start, end, replacement in sorted(self._edits):
            pieces += [self._text[position:start], replacement]
            position = max(position, end)
        return "".join((*pieces, self._text[position:]))

    def replace_flow_list(self, plugins: Node, *, is_json: bool) -> None:
        """Replace a list in brackets: by JSON where the document is JSON, by a block elsewhere."""
        start, end = plugins.start_mark.index, plugins.end_mark.index
        kept = (index for index in range(len(plugins.value)) if index not in self._changes.removed)
        items = [*map(self._changed, kept), *map(dict, self._changes.added)]
        if is_json:
            text = json.dumps(items, ensure_ascii=False)
            # Invisible characters have to be escaped, so that a manifest is read.
            self._edits.append((start, end, text if text.isprintable() else json.dumps(items)))
            return
        start = len(self._text[:start].rstrip(" "))
        self._edits.append((start, end, self._newline + self._block(items, 2)))

    def change_block_list(self, plugins: Node) -> None:
        """Change a list whose items are behind dashes."""
        column, changes = plugins.start_mark.column, self._changes
        for index in changes.fields:
            self._change_item(plugins.value[index], index)
        regions = self._regions(plugins.value, column)
        for index in sorted(changes.removed):
            start, end = regions[index]
            if changes.removed.issuperset(range(index, len(regions))):
                while self._is_blank_line_before(start):
                    start = self._line_start(start - 1)
            if index + 1 < len(regions):
                end = regions[index + 1][0]
            self._edits.append((start, end, ""))
        if changes.added:
            self._append(plugins, regions)

    def _append(self, plugins: Node, regions: Sequence[tuple[int, int]]) -> None:
        changes = self._changes
        column, last = plugins.start_mark.column, plugins.value[-1]
        offset = 2 if last.flow_style else last.start_mark.column - column
        is_spaced = len(regions) > 1 and self._is_blank_line_before(regions[-1][0])
        position = regions[-1][1]
        is_last_kept = len(regions) - 1 not in changes.removed
        addition = self._newline * (is_last_kept and self._is_open(position))
        for number, fields in enumerate(changes.added):
            if is_spaced and (number or len(changes.removed) < len(regions)):
                addition += self._newline
            for line in _plugin_lines(fields, column, max(offset, 2)):
                addition += line + self._newline
        self._edits.append((position, position, addition))

    def _change_item(self, item: Node, index: int) -> None:
        fields = self._changes.fields[index]
        entries = {key.value: (key, value) for key, value in item.value}
        first = item.value[0][0].value
        if item.flow_style or (first in fields and fields[first] is None):
            block = self._block(self._changed(index))
            indent = self._newline + " " * item.start_mark.column
            block = block.replace(self._newline, indent)
            self._edits.append((item.start_mark.index, self._end(item), block))
            return
        missing: dict[int, str] = {}
        for key, text in fields.items():
            if key in entries:
                start, end = entries[key][0].start_mark.index, self._end(entries[key][1])
                if text is None:
                    self._edits.append((self._line_start(start), self._line_end(end), ""))
                    continue
                value = entries[key][1]
                style = None if value.style in _BLOCK_SCALARS else value.style
                replacement = _field_scalar(key, text, style)
                self._edits.append((value.start_mark.index, end, replacement))
            elif text is not None:
                before = DERIVED_KEYS[: DERIVED_KEYS.index(key)]
                anchor = max(filter(entries.__contains__, before), key=before.index)
                line = " " * item.start_mark.column + f"{key}: {_field_scalar(key, text)}"
                position = self._line_end(self._end(entries[anchor][1]))
                break_before = self._newline * self._is_open(position)
                missing.setdefault(position, break_before)
                missing[position] += line + self._newline
        self._edits += [(position, position, lines) for position, lines in missing.items()]

    def _changed(self, index: int) -> dict[str, Any]:
        """Return the plain data of a plugin, changed, with the derived fields first."""
        (plugin,) = manifest_document([self._manifest.plugins[index]])["plugins"]
        merged = {**plugin, **self._changes.fields.get(index, {})}
        ordered = dict.fromkeys((*DERIVED_KEYS, *merged))
        return {key: merged[key] for key in ordered if merged.get(key) is not None}

    def _block(self, data: Any, column: int = 0) -> str:
        """Return plain data as lines of a block at a column, without a line break at the end."""
        lines = yaml_text(data).rstrip("\n").split("\n")
        return self._newline.join(" " * column + line for line in lines)

    def _regions(self, items: Sequence[Node], column: int) -> list[tuple[int, int]]:
        """Return where the lines of each item begin and end, with its comments.

        Comments right above its dash are its own, and those right below that are indented.
        """
        regions: list[tuple[int, int]] = []
        for item in items:
            floor = regions[-1][1] if regions else 0
            start = self._line_start(item.start_mark.index)
            while self._text[start + column : start + column + 1] != "-":
                start = self._line_start(start - 1)
            while start > floor and self._line_before(start).lstrip(" ").startswith("#"):
                start = self._line_start(start - 1)
            end = self._line_end(self._end(item))
            while end < len(self._text):
                line = self._text[end : self._line_end(end)]
                body = line.lstrip(" ")
                if not body.startswith("#") or len(line) - len(body) <= column:
                    break
                end += len(line)
            regions.append((start, end))
        return regions

    def _end(self, node: Node) -> int:
        """Return where a node's text ends: PyYAML's mark may be behind blank lines."""
        if isinstance(node.value, list) and not node.flow_style:
            child: Any = node.value[-1]
            return self._end(child[1] if isinstance(child, tuple) else child)
        start, end = node.start_mark.index, node.end_mark.index
        if not isinstance(node.value, list) and node.style in _BLOCK_SCALARS:
            end = start + len(self._text[start:end].rstrip())
        return int(end)

    def _line_start(self, position: int) -> int:
        return self._text.rfind("\n", 0, position) + 1

    def _line_end(self, position: int) -> int:
        return self._text.find("\n", position) + 1 or len(self._text)

    def _line_before(self, position: int) -> str:
        return self._text[self._line_start(position - 1) : position]

    def _is_blank_line_before(self, position: int) -> bool:
        return position > 0 and not self._line_before(position).strip()

    def _is_open(self, position: int) -> bool:
        """Whether a position is behind a line that no line break ends."""
        return not self._text.endswith("\n", 0, position)
