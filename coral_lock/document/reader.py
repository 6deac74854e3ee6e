"""Bytes → text → nodes: what all files have to be, and the reader of JSON.

YAML 1.2 contains JSON, but PyYAML doesn't: tabs between values, surrogate pairs and keys
on a line of their own fail there. And a `.json` file that only YAML can read would fail
in every other tool.
"""

from __future__ import annotations

import json
import re
from typing import TypeAlias

from coral_lock.document.node import Mistakes, Node, NodeBuilder, Place
from coral_lock.errors import InputError

Path: TypeAlias = tuple[str | int, ...]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_CONFLICT_MARKERS = ("<<<<<<<", ">>>>>>>")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
# NEL, LS and PS end a line for PyYAML, but neither for YAML 1.2 nor for most editors.
_HIDDEN = re.compile("[\x7f-\x9f\u2028\u2029\ufffe\uffff]|\r(?!\n)")


def decode(content: bytes, source: str) -> str:
    """Return the text of a file's bytes: only what a reviewer sees the same way.

    Raises:
        InputError: it isn't UTF-8 without a byte order mark, holds a control character
            or merge conflict markers; with the position.
    """
    if content.startswith(_BYTE_ORDER_MARK):
        raise InputError(
            "the file starts with a byte order mark",
            expected="UTF-8 without one",
            where=f"{source}:1:1",
            hint="save the file as UTF-8 without a byte order mark",
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        raise InputError(
            "the file isn't UTF-8",
            expected="UTF-8",
            found=f"byte 0x{content[error.start]:02x}",
            where=str(place_of(before, len(before), source)),
            hint="save the file as UTF-8",
        ) from None
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith(_CONFLICT_MARKERS) and line[7:8] in ("", " ", "\r"):
            raise InputError(
                "the file contains merge conflict markers",
                found=line[:60].rstrip(),
                where=f"{source}:{number}:1",
                hint="resolve the conflict in the file first",
            )
    _refuse_match(_CONTROL, text, source)
    return text


def place_of(text: str, position: int, source: str) -> Place:
    """Return line and column of the character at `position`."""
    line = text.count("\n", 0, position) + 1
    return Place(source=source, line=line, column=position - text.rfind("\n", 0, position))


def refuse_hidden_lines(text: str, source: str) -> None:
    """Refuse what YAML's reader takes for the end of a line where a reviewer sees none.

    Raises:
        InputError: the text holds a control character, an unusual line break, or a
            carriage return without a line feed.
    """
    _refuse_match(_HIDDEN, text, source)


def _refuse_match(refused: re.Pattern[str], text: str, source: str) -> None:
    match = refused.search(text)
    if match:
        raise InputError(
            "the file contains an invisible character",
            expected="printable text",
            found=f"U+{ord(match.group()):04X}",
            where=str(place_of(text, match.start(), source)),
            hint="remove it, or write it as an escape in double quotes",
        )


_WHITESPACE = re.compile(r"[ \t\n\r]*")
_SCALAR = re.compile(r"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_DECODER = json.JSONDecoder()


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
        if not self._next_character():
            return Node(value={}, place=Place(source=self._source, line=1, column=1))
        node = self._value((), None)
        if self._next_character():
            raise self._error("expected the end of the file")
        return node

    def _value(self, path: Path, key_place: Place | None) -> Node:
        character = self._next_character()
        place = self._place()
        self._builder.count(place)
        if character and character in "{[":
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
        while self._continues(not items, "]"):
            items.append(self._value((*path, len(items)), None))
        return tuple(items)

    def _object(self, path: Path) -> dict[str, Node]:
        members: dict[str, Node] = {}
        is_first = True
        while self._continues(is_first, "}"):
            is_first = False
            if self._next_character() != '"':
                raise self._error("expected a key in double quotes")
            place = self._place()
            self._builder.count(place)
            key = self._builder.text(self._string(), (*path, "?"), place).value
            if not self._take(":"):
                raise self._error("expected `:`")
            node = self._value((*path, key if isinstance(key, str) else "?"), place)
            if isinstance(key, str):
                self._builder.put(members, path, key, node)
        return members

    def _continues(self, is_first: bool, end: str) -> bool:
        """Whether one more item or member follows; takes the comma before it, or the end."""
        if self._take(end):
            return False
        if not is_first and not self._take(","):
            raise self._error(f"expected `,` or `{end}`")
        return True

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
