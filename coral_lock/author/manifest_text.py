"""Manifests as YAML text: new ones, and changes that keep what the author wrote.

The nodes of PyYAML have positions in the text. So a change of a plugin in block style replaces
only the characters of its own values; comments, quotes, order and blank lines are kept. What is
in flow style, `{…}` or `[…]`, is written again in block style.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from textwrap import indent
from typing import Any, TypeAlias

import yaml

from coral_lock.document.node import RefusedNumberError, resolve_plain
from coral_lock.manifest import MANIFEST_VERSION, ManifestPlugin
from coral_lock.plugin.facts import terms_to_mapping

Node: TypeAlias = Any

VERSION_KEYS = ("min_core_version", "min_inference_version")
DERIVED_KEYS = ("group", "name", "entry_point", "description", *VERSION_KEYS)
"""The keys whose values come from the code, in the order in which they are written."""

_QUOTES = ('"', "'")
_FIRST_LINE = "# Its JSON Schema: coral-runtime manifest schema\n"


class _Version(str):
    """A version: quoted, so that nobody takes one like `1.10` for a number."""


def plugin_document(plugin: ManifestPlugin) -> dict[str, Any]:
    """Return a plugin as plain data, in the order of a manifest and without what is empty."""
    document = {
        "group": plugin.group,
        "name": plugin.facts.name,
        "entry_point": plugin.entry_point,
        "description": plugin.facts.description,
        **{key: _Version(getattr(plugin.facts, key) or "") for key in VERSION_KEYS},
        **terms_to_mapping(plugin.terms),
    }
    return {key: value for key, value in document.items() if value}


def manifest_document(plugins: Iterable[ManifestPlugin]) -> dict[str, Any]:
    """Return plain data that `read_manifest` would read as these plugins."""
    return {
        "manifest_version": MANIFEST_VERSION,
        "plugins": [plugin_document(plugin) for plugin in plugins],
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
        is_double = isinstance(text, _Version) or not text.isprintable()
        style = '"' if is_double else None if _is_plain_text(text) else "'"
        return self.represent_scalar("tag:yaml.org,2002:str", text, self.default_style or style)


_Dumper.add_representer(str, _Dumper.represent_str)
_Dumper.add_representer(_Version, _Dumper.represent_str)


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


def new_manifest(plugins: Iterable[ManifestPlugin]) -> str:
    """Return the text of a manifest that declares plugins."""
    return _FIRST_LINE + yaml_text(manifest_document(plugins))


def edited_manifest(
    text: str, wanted: Sequence[ManifestPlugin | None], added: Sequence[ManifestPlugin]
) -> str:
    """Return the text of a valid manifest with its plugins changed.

    Args:
        text: the manifest.
        wanted: what each of its plugins is to say; None to remove it with its comments.
        added: the plugins to append.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    text = text.replace("\r\n", "\n").removesuffix("\n") + "\n"
    root: Node = yaml.compose(text, Loader=yaml.SafeLoader)
    key, plugins = next(each for each in root.value if each[0].value == "plugins")
    if plugins.flow_style:
        return new_manifest((*filter(None, wanted), *added)).replace("\n", newline)
    column = plugins.start_mark.column
    # The lines of a plugin: those since the plugin before, and comments deeper than its dash.
    rest = re.compile(rf".*\n(?: {{{column + 1},}}#.*\n)*")
    ends = [next(rest.finditer(text, _end(text, item))).end() for item in plugins.value]
    starts = [text.index("\n", key.end_mark.index) + 1, *ends[:-1]]
    blocks = [
        _updated(text[:end], item, plugin)[start:]
        for plugin, item, start, end in zip(wanted, plugins.value, starts, ends, strict=True)
        if plugin is not None
    ]
    blank = "\n" if len(starts) > 1 and text[starts[-1]] == "\n" else ""
    blocks += [blank + indent(yaml_text([plugin_document(each)]), " " * column) for each in added]
    return "".join((text[: starts[0]], *blocks, text[ends[-1] :])).replace("\n", newline)


def _updated(text: str, item: Node, plugin: ManifestPlugin) -> str:
    """Return a text that ends with the lines of a plugin, with what that says updated."""
    document = plugin_document(plugin)
    nodes = {key.value: (key, value) for key, value in item.value}
    differing = [
        key
        for key in DERIVED_KEYS
        if document.get(key) != (nodes[key][1].value if key in nodes else None)
    ]
    if differing and item.flow_style:
        block = indent(yaml_text(document), " " * item.start_mark.column).strip()
        return text[: item.start_mark.index] + block + text[item.end_mark.index :]
    edits = []
    for key in reversed(differing):
        if key not in nodes:
            before = DERIVED_KEYS[: DERIVED_KEYS.index(key)]
            _, anchor = nodes[next(filter(nodes.__contains__, reversed(before)))]
            start = end = text.index("\n", _end(text, anchor)) + 1
            new = " " * item.start_mark.column + yaml_text({key: document[key]})
        elif key in document:
            value = nodes[key][1]
            start, end = value.start_mark.index, _end(text, value)
            style = value.style if value.style in _QUOTES else None
            new = yaml_text(document[key], style).partition("\n")[0]
        else:
            name, value = nodes[key]
            start = text.rindex("\n", 0, name.start_mark.index) + 1
            end, new = text.index("\n", _end(text, value)) + 1, ""
        edits.append((start, end, new))
    # From the end of the text, so that positions stay true; of two at one place the last first.
    for start, end, new in sorted(edits, key=lambda edit: edit[0], reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _end(text: str, node: Node) -> int:
    """Return where a node's text ends: PyYAML's mark may be behind blank lines."""
    if isinstance(node.value, list) and not node.flow_style:
        child: Any = node.value[-1]
        return _end(text, child[1] if isinstance(child, tuple) else child)
    start: int = node.start_mark.index
    return start + len(text[start : node.end_mark.index].rstrip())
