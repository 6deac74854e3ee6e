"""Manifests as YAML text: new ones, and changes that keep what the author wrote.

The nodes of PyYAML have positions in the text. So a change of a plugin in block style replaces
only the characters of its own values; comments, quotes, order and blank lines are kept. A plugin
or a list in flow style, `{…}` or `[…]`, is put together again from the texts of its parts.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml
from packaging.version import Version

from coral_lock.document.node import RefusedNumberError, resolve_plain
from coral_lock.manifest import MANIFEST_VERSION, ManifestPlugin
from coral_lock.plugin.facts import PluginFacts, terms_to_mapping

Fields: TypeAlias = Mapping[str, str]
Node: TypeAlias = Any
Edit: TypeAlias = tuple[int, int, str]

_VERSION_KEYS = ("min_core_version", "min_inference_version")
DERIVED_KEYS = ("group", "name", "entry_point", "description", *_VERSION_KEYS)
"""The keys whose values come from the code, in the order in which they are written."""

DOUBLE, SINGLE = '"', "'"


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
        style = DOUBLE if not text.isprintable() else None if _is_plain_text(text) else SINGLE
        return self.represent_scalar("tag:yaml.org,2002:str", text, self.default_style or style)


_Dumper.add_representer(str, _Dumper.represent_str)


def yaml_text(document: Any, style: str | None = None) -> str:
    """Return plain data as YAML in block style, with all texts in quotes of a style if given."""
    text: str = yaml.dump(
        document,
        Dumper=_Dumper,
        default_style=style,
        sort_keys=False,
        allow_unicode=True,
        width=sys.maxsize,
    )
    return text


def scalar(key: str, text: str, style: str | None = None) -> str:
    """Return the value of a plugin's field as a YAML scalar on one line.

    Args:
        key: the field; a version is always quoted.
        text: the value, which is printable.
        style: how it is quoted, `"` or `'`; None for no quotes where none are needed.
    """
    if style not in (DOUBLE, SINGLE):
        style = DOUBLE if key in _VERSION_KEYS else None
    return yaml_text(text, style).removesuffix("\n").removesuffix("\n...")


def _plugin_lines(fields: Fields, column: int, offset: int) -> Iterator[str]:
    """Yield the lines of a plugin: the dash at a column from 0, the keys `offset` behind it."""
    lead = " " * column + "-" + " " * (offset - 1)
    for key, text in fields.items():
        yield f"{lead}{key}: {scalar(key, text)}"
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
    written: Sequence[Fields], derived: Sequence[Fields], kept: Collection[int]
) -> dict[int, int]:
    """Return which written plugin is which derived one, by their positions.

    The id counts first. If one plugin on each side remains with the same entry point, it was
    renamed.

    Args:
        written: those of a manifest.
        derived: those of the code.
        kept: the positions of written ones that are none of these.
    """
    ids = {(fields["group"], fields["name"]): place for place, fields in enumerate(derived)}
    found = {
        index: ids[fields["group"], fields["name"]]
        for index, fields in enumerate(written)
        if index not in kept and (fields["group"], fields["name"]) in ids
    }
    old = [index for index in range(len(written)) if index not in {*kept, *found}]
    new = [place for place in ids.values() if place not in found.values()]
    for place in new:
        entry_point = derived[place]["entry_point"]
        before = [index for index in old if written[index]["entry_point"] == entry_point]
        after = [each for each in new if derived[each]["entry_point"] == entry_point]
        if len(before) == len(after) == 1:
            found[before[0]] = place
    return found


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


def edited_manifest(text: str, changes: ManifestChanges) -> str:
    """Return the text of a valid manifest with changes made to it."""
    if not (changes.fields or changes.removed or changes.added):
        return text
    newline = "\r\n" if "\r\n" in text else "\n"
    if not text.endswith("\n"):
        text += newline
    items = _plugins_node(text).value
    for index in sorted(changes.fields, reverse=True):
        change = _flow_item if items[index].flow_style else _block_item
        text = _edited(text, change(text, items[index], changes.fields[index], newline))
    plugins = _plugins_node(text)
    if not plugins.flow_style:
        return _block_list(text, plugins, changes, newline)
    kept = (item for index, item in enumerate(plugins.value) if index not in changes.removed)
    added = (json.dumps(fields, ensure_ascii=False) for fields in changes.added)
    parts = ", ".join((*(_source(text, item) for item in kept), *added))
    return _edited(text, [(plugins.start_mark.index, plugins.end_mark.index, f"[{parts}]")])


def _plugins_node(text: str) -> Node:
    root: Node = yaml.compose(text, Loader=yaml.SafeLoader)
    return next(value for key, value in root.value if key.value == "plugins")


def _edited(text: str, edits: Iterable[Edit]) -> str:
    """Return the text with replacements made; of several at one place the first comes last."""
    for start, end, replacement in sorted(edits, key=lambda edit: edit[0], reverse=True):
        text = text[:start] + replacement + text[end:]
    return text


def _source(text: str, node: Node) -> str:
    return text[node.start_mark.index : node.end_mark.index]


def _flow_item(text: str, item: Node, fields: Mapping[str, str | None], _: str) -> Iterator[Edit]:
    """Yield the edit that changes a plugin in braces."""
    members = {
        key.value: f"{_source(text, key)}: {_source(text, value)}" for key, value in item.value
    }
    quote = item.value[0][0].style or ""
    for key, value in fields.items():
        if value is None:
            members.pop(key, None)
        else:
            members[key] = f"{quote}{key}{quote}: {scalar(key, value, DOUBLE)}"
    yield item.start_mark.index, item.end_mark.index, "{" + ", ".join(members.values()) + "}"


def _block_item(
    text: str, item: Node, fields: Mapping[str, str | None], newline: str
) -> Iterator[Edit]:
    """Yield the edits that change a plugin in block style, each field in its own lines."""
    entries = {key.value: (key, value) for key, value in item.value}
    for key in filter(fields.__contains__, reversed(DERIVED_KEYS)):
        new = fields[key]
        if key in entries:
            name, value = entries[key]
            start, end = name.start_mark.index, _end(text, value)
            if new is not None:
                yield value.start_mark.index, end, scalar(key, new, value.style)
            elif name is item.value[0][0]:
                yield start, item.value[1][0].start_mark.index, ""
            else:
                yield text.rfind("\n", 0, start) + 1, text.index("\n", end) + 1, ""
        elif new is not None:
            before = DERIVED_KEYS[: DERIVED_KEYS.index(key)]
            anchor = next(filter(entries.__contains__, reversed(before)))
            position = text.index("\n", _end(text, entries[anchor][1])) + 1
            indent = " " * item.start_mark.column
            yield position, position, f"{indent}{key}: {scalar(key, new)}{newline}"


def _block_list(text: str, plugins: Node, changes: ManifestChanges, newline: str) -> str:
    """Return the text with plugins behind dashes removed and added."""
    lines = text.splitlines(keepends=True)
    column, last = plugins.start_mark.column, plugins.value[-1]
    offset = 2 if last.flow_style else max(last.start_mark.column - column, 2)
    regions = list(_regions(text, lines, plugins))
    is_spaced = len(regions) > 1 and not lines[regions[-1][0] - 1].strip()
    added: list[str] = []
    for fields in changes.added:
        if is_spaced and (added or len(changes.removed) < len(regions)):
            added.append("")
        added += _plugin_lines(fields, column, offset)
    position = regions[-1][1]
    lines[position:position] = [line + newline for line in added]
    for index in sorted(changes.removed, reverse=True):
        start, end = regions[index]
        if not changes.removed.issuperset(range(index, len(regions))):
            end = regions[index + 1][0]
        else:
            while not lines[start - 1].strip():
                start -= 1
        del lines[start:end]
    return "".join(lines)


def _regions(text: str, lines: Sequence[str], plugins: Node) -> Iterator[tuple[int, int]]:
    """Yield the lines of each plugin with its comments, as a range.

    Comments right above its dash are its own, and those right below that are indented.
    """
    column, end = plugins.start_mark.column, 0
    for item in plugins.value:
        floor, start = end, item.start_mark.line
        while lines[start][column] != "-":
            start -= 1
        while start > floor and lines[start - 1].lstrip(" ").startswith("#"):
            start -= 1
        end = text.count("\n", 0, _end(text, item)) + 1
        while (
            lines[end:]
            and lines[end].lstrip(" ")[0] == "#"
            and lines[end][column : column + 1] == " "
        ):
            end += 1
        yield start, end


def _end(text: str, node: Node) -> int:
    """Return where a node's text ends: PyYAML's mark may be behind blank lines."""
    if isinstance(node.value, list) and not node.flow_style:
        child: Any = node.value[-1]
        return _end(text, child[1] if isinstance(child, tuple) else child)
    return int(node.start_mark.index) + len(_source(text, node).rstrip())
