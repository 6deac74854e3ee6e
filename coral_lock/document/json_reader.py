"""Text → nodes, for JSON files.

YAML 1.2 contains JSON, but PyYAML doesn't: tabs between values, surrogate pairs and keys
on a line of their own fail there. And a `.json` file that only YAML can read would fail
in every other tool.
"""

from __future__ import annotations

import json
import re

from coral_lock.document.node import Node, Place
from coral_lock.document.node_builder import NodeBuilder
from coral_lock.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.document.node import Mistakes
    from coral_lock.document.node_builder import Path

_WHITESPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()
_SCALAR = re.compile(r"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")


def read_json(text: str, source: str, mistakes: Mistakes) -> Node:
    """Return the JSON document that `text` holds; an empty text is an empty mapping.

    Keys that appear twice and numbers out of range go to `mistakes`.

    Args:
        text: the whole document.
        source: how messages call it.
        mistakes: where mistakes go that don't keep the rest from being read.

    Raises:
        InputError: the text isn't JSON, is deeper than 32 levels or has more than 20,000
            keys and values; with the position.
    """
    if not text.strip(" \t\n\r"):
        return Node(value={}, place=Place(source=source, line=1, column=1))
    return _JsonReader(text, source, mistakes).document()


class _JsonReader:
    def __init__(self, text: str, source: str, mistakes: Mistakes) -> None:
        self._text = text
        self._source = source
        self._builder = NodeBuilder(mistakes)
        self._position = 0
        self._line = 1
        self._line_start = 0
        self._counted_to = 0

    def document(self) -> Node:
        node = self._value((), None)
        if self._next_character():
            raise self._error("expected the end of the file")
        return node

    def _value(self, path: Path, key_place: Place | None) -> Node:
        character = self._next_character()
        place = self._place()
        self._builder.count(place)
        if character == "{" or character == "[":
            self._builder.enter(path, place)
            self._position += 1
            value = self._object(path) if character == "{" else self._array(path)
            return Node(value=value, place=place, key_place=key_place)
        if character == '"':
            return self._builder.text(self._string(), path, place, key_place)
        match = _SCALAR.match(self._text, self._position)
        if not match:
            raise self._error("expected a value")
        self._position = match.end()
        return self._builder.plain(match.group(), path, place, key_place)

    def _array(self, path: Path) -> tuple[Node, ...]:
        items: list[Node] = []
        if self._take("]"):
            return ()
        while True:
            items.append(self._value((*path, len(items)), None))
            if self._take("]"):
                return tuple(items)
            self._require(",", "expected `,` or `]`")

    def _object(self, path: Path) -> dict[str, Node]:
        members: dict[str, Node] = {}
        if self._take("}"):
            return members
        while True:
            self._member(path, members)
            if self._take("}"):
                return members
            self._require(",", "expected `,` or `}`")

    def _member(self, path: Path, members: dict[str, Node]) -> None:
        """Read a key and its value into `members`."""
        if self._next_character() != '"':
            raise self._error("expected a key in double quotes")
        place = self._place()
        self._builder.count(place)
        key = self._builder.text(self._string(), (*path, "?"), place).value
        self._require(":", "expected `:`")
        node = self._value((*path, key if isinstance(key, str) else "?"), place)
        if isinstance(key, str):
            self._builder.put(members, path, key, node)

    def _string(self) -> str:
        try:
            text, self._position = _DECODER.raw_decode(self._text, self._position)
        except json.JSONDecodeError as error:
            self._position = max(self._position, error.pos)
            raise self._error(error.msg[:1].lower() + error.msg[1:].removesuffix(" at")) from None
        return str(text)

    def _next_character(self) -> str:
        match = _WHITESPACE.match(self._text, self._position)
        if match:
            self._position = match.end()
        return self._text[self._position : self._position + 1]

    def _take(self, character: str) -> bool:
        found = self._next_character() == character
        self._position += found
        return found

    def _require(self, character: str, problem: str) -> None:
        if not self._take(character):
            raise self._error(problem)

    def _error(self, problem: str) -> InputError:
        if self._position == len(self._text):
            problem = "unexpected end of the file"
        return InputError(f"not JSON: {problem}", where=str(self._place()))

    def _place(self) -> Place:
        """Return the current position; it only moves forward, so lines are counted once."""
        self._line += self._text.count("\n", self._counted_to, self._position)
        newline = self._text.rfind("\n", self._counted_to, self._position)
        if newline >= 0:
            self._line_start = newline + 1
        self._counted_to = self._position
        column = self._position - self._line_start + 1
        return Place(source=self._source, line=self._line, column=column)
