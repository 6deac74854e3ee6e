"""Changing a manifest's text where plugins changed, and nowhere else.

The nodes of PyYAML know where in the text they stand, so that each change replaces just its
own characters: what the author wrote besides, with comments, quotes, order and blank lines,
isn't written anew and so can't come out differently.
"""

from __future__ import annotations

from itertools import pairwise

from coral_lock.author.manifest_text import DERIVED_KEYS, field_scalar, plugin_lines, written_fields
from coral_lock.canonical_json import quote
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, TypeAlias

    from coral_lock.manifest.model import Manifest, ManifestPlugin


def matching_plugins(
    manifest: Manifest, derived: Sequence[Mapping[str, str]], kept: set[int]
) -> dict[int, int]:
    """Return which plugin of a manifest is which derived one, by their positions.

    The id counts first. What is left over on both sides and has the same entry point is a
    plugin that was renamed, if there is only one of it on each side.
    """
    written = [written_fields(plugin) for plugin in manifest.plugins]
    found: dict[int, int] = {}
    for keys in (("group", "name"), ("group", "entry_point"), ("entry_point",)):

        def identity(fields: Mapping[str, str], keys: Sequence[str] = keys) -> tuple[str, ...]:
            return tuple(fields[key] for key in keys)

        old = [index for index in range(len(written)) if index not in found and index not in kept]
        new = [index for index in range(len(derived)) if index not in found.values()]
        old_by_identity = _unique({index: identity(written[index]) for index in old})
        new_by_identity = _unique({index: identity(derived[index]) for index in new})
        for key in old_by_identity.keys() & new_by_identity.keys():
            found[old_by_identity[key]] = new_by_identity[key]
    return found


def _unique(identities: Mapping[int, tuple[str, ...]]) -> dict[tuple[str, ...], int]:
    """Return the positions by identity, without identities that several share."""
    every = list(identities.values())
    return {key: index for index, key in identities.items() if every.count(key) == 1}


def changed_fields(plugin: ManifestPlugin, fields: Mapping[str, str]) -> Mapping[str, str | None]:
    """Return the fields that differ, with None for those that are to go."""
    written = written_fields(plugin)
    return {key: fields.get(key) for key in DERIVED_KEYS if written.get(key) != fields.get(key)}


if TYPE_CHECKING:
    Node: TypeAlias = Any


_BLOCK_SCALARS = ("|", ">")


class ManifestChanges(Record):
    """What is to change about the plugins of a manifest.

    Args:
        fields: for each plugin by its position, the fields to set, or with None to remove.
        removed: the positions of the plugins to remove.
        added: the derived fields of the plugins to append.
    """

    fields: Mapping[int, Mapping[str, str | None]] = {}
    removed: frozenset[int] = frozenset()
    added: tuple[Mapping[str, str], ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.fields or self.removed or self.added)


def edited_manifest(text: str, changes: ManifestChanges) -> str:
    """Return a manifest's text with changes made to it.

    Args:
        text: the whole text, which the strict reader takes.
        changes: what is to change.
    """
    import yaml

    root: Node = yaml.compose(text, Loader=yaml.SafeLoader)
    (plugins,) = (value for key, value in root.value if key.value == "plugins")
    editor = _Editor(text)
    if plugins.flow_style and plugins.value:
        editor.replace_node(plugins, editor.flow_list(plugins, changes))
    elif plugins.flow_style:
        editor.fill_empty(plugins, changes.added, is_flow=bool(root.flow_style))
    else:
        editor.change_block_list(plugins, changes)
    return editor.text()


class _Editor:
    """Gathers replacements of parts of a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._edits: list[tuple[int, int, str]] = []

    def text(self) -> str:
        """Return the text with all replacements made."""
        pieces, position = [], 0
        for start, end, replacement in sorted(self._edits):
            pieces += [self._text[position:start], replacement]
            position = max(position, end)
        return "".join((*pieces, self._text[position:]))

    def replace_node(self, node: Node, replacement: str) -> None:
        """Replace what a node is written as."""
        self._edits.append((node.start_mark.index, self._end(node), replacement))

    def fill_empty(
        self, plugins: Node, added: Sequence[Mapping[str, str]], *, is_flow: bool
    ) -> None:
        """Replace an empty list by one that holds the added plugins."""
        if is_flow:
            items = ", ".join(_flow_item(fields, is_json=True) for fields in added)
            self.replace_node(plugins, f"[{items}]")
            return
        start = plugins.start_mark.index
        while self._text[start - 1] == " ":
            start -= 1
        lines = [line for fields in added for line in plugin_lines(fields, 2, 2)]
        self._edits.append((start, self._end(plugins), self._newline + self._newline.join(lines)))

    def flow_list(self, plugins: Node, changes: ManifestChanges) -> str:
        """Return the text of a list in brackets, changed."""
        spans = [(item.start_mark.index, self._end(item)) for item in plugins.value]
        kept = {
            index: self._flow_mapping(item, changes.fields.get(index, {}))
            for index, item in enumerate(plugins.value)
            if index not in changes.removed
        }
        is_json = any(key.style == '"' for key, _ in plugins.value[0].value)
        return self._flow(
            plugins, spans, kept, [_flow_item(fields, is_json) for fields in changes.added]
        )

    def _flow_mapping(self, item: Node, fields: Mapping[str, str | None]) -> str:
        """Return the text of a mapping in braces, changed."""
        spans = [(key.start_mark.index, self._end(value)) for key, value in item.value]
        is_json = any(key.style == '"' for key, _ in item.value)
        kept = {}
        for index, (key, value) in enumerate(item.value):
            new = fields.get(key.value, "")
            if new is None:
                continue
            before = self._text[spans[index][0] : value.start_mark.index]
            kept[index] = (
                before + field_scalar(key.value, new, value.style)
                if key.value in fields
                else self._text[slice(*spans[index])]
            )
        present = {key.value for key, _ in item.value}
        added = [
            _flow_field(key, text, is_json)
            for key, text in fields.items()
            if text is not None and key not in present
        ]
        return self._flow(item, spans, kept, added)

    def _flow(
        self,
        node: Node,
        spans: Sequence[tuple[int, int]],
        kept: Mapping[int, str],
        added: Sequence[str],
    ) -> str:
        """Return the text of a collection in brackets from the texts of its members."""
        gaps = [self._text[end:start] for (_, end), (start, _) in pairwise(spans)]
        usual = gaps[0] if gaps and not gaps[0].strip(", \r\n") else ", "
        text = self._text[node.start_mark.index : spans[0][0]]
        previous: int | None = None
        for index, member in kept.items():
            if previous is not None:
                text += gaps[previous] if index == previous + 1 else usual
            text += member
            previous = index
        for number, member in enumerate(added):
            text += (usual if kept or number else "") + member
        return text + self._text[spans[-1][1] : self._end(node)]

    def change_block_list(self, plugins: Node, changes: ManifestChanges) -> None:
        """Change a list whose items stand behind dashes."""
        column = plugins.start_mark.column
        for index, fields in changes.fields.items():
            item = plugins.value[index]
            if item.flow_style:
                self.replace_node(item, self._flow_mapping(item, fields))
            else:
                self._change_block_mapping(item, fields)
        regions = self._regions(plugins.value, column)
        for index in sorted(changes.removed):
            start, end = regions[index]
            if changes.removed.issuperset(range(index, len(regions))):
                while self._is_blank_line_before(start):
                    start = self._line_start(start - 1)
            if index + 1 < len(regions):
                end = regions[index + 1][0]
            self._edits.append((start, end, ""))
        self._append(plugins, changes, regions, column)

    def _append(
        self,
        plugins: Node,
        changes: ManifestChanges,
        regions: Sequence[tuple[int, int]],
        column: int,
    ) -> None:
        if not changes.added:
            return
        last = plugins.value[-1]
        offset = 2 if last.flow_style else last.start_mark.column - column
        is_spaced = len(regions) > 1 and self._is_blank_line_before(regions[-1][0])
        position = regions[-1][1]
        is_last_kept = len(regions) - 1 not in changes.removed
        addition = self._newline * (is_last_kept and self._is_open(position))
        for number, fields in enumerate(changes.added):
            if is_spaced and (number or len(changes.removed) < len(regions)):
                addition += self._newline
            for line in plugin_lines(fields, column, max(offset, 2)):
                addition += line + self._newline
        self._edits.append((position, position, addition))

    def _change_block_mapping(self, item: Node, fields: Mapping[str, str | None]) -> None:
        entries = {key.value: (key, value) for key, value in item.value}
        missing: dict[int, list[str]] = {}
        for key, text in fields.items():
            if key in entries and text is not None:
                value = entries[key][1]
                style = value.style if value.style not in _BLOCK_SCALARS else None
                self.replace_node(value, field_scalar(key, text, style))
            elif key in entries:
                self._remove_block_entry(item, *entries[key])
            elif text is not None:
                before = DERIVED_KEYS[: DERIVED_KEYS.index(key)]
                anchor = entries[max(filter(entries.__contains__, before), key=before.index)][1]
                line = " " * item.start_mark.column + f"{key}: {field_scalar(key, text)}"
                missing.setdefault(self._line_end(self._end(anchor)), []).append(line)
        for position, lines in missing.items():
            addition = "".join(line + self._newline for line in lines)
            addition = self._newline * self._is_open(position) + addition
            self._edits.append((position, position, addition))

    def _remove_block_entry(self, item: Node, key: Node, value: Node) -> None:
        start, end = key.start_mark.index, self._line_end(self._end(value))
        if key is not item.value[0][0]:
            start = self._line_start(start)
        else:
            # The dash before the first key stays, so the next key moves up to it.
            following = item.value[1][0].start_mark.index
            if not self._text[end:following].strip():
                end = following
        self._edits.append((start, end, ""))

    def _regions(self, items: Sequence[Node], column: int) -> list[tuple[int, int]]:
        """Return where the lines of each item of a list begin and end, with its comments."""
        regions: list[tuple[int, int]] = []
        for item in items:
            floor = regions[-1][1] if regions else 0
            regions.append(self._region(item, column, floor))
        return regions

    def _region(self, item: Node, column: int, floor: int) -> tuple[int, int]:
        """Return where the lines of an item begin, not before `floor`, and where they end.

        Comments right above its dash are its own, and those right below that are indented.
        """
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
        return start, end

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


def _flow_item(fields: Mapping[str, str], is_json: bool) -> str:
    members = ", ".join(_flow_field(key, text, is_json) for key, text in fields.items())
    return f"{{{members}}}"


def _flow_field(key: str, text: str, is_json: bool) -> str:
    if is_json:
        return f"{quote(key)}: {quote(text)}"
    return f"{key}: {field_scalar(key, text)}"
