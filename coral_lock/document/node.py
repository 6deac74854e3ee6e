"""What every source is read into: values that know their place, and the mistakes in them."""

from __future__ import annotations

from coral_lock.canonical_json import quote
from coral_lock.errors import InputError
from coral_lock.printable import shortened
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


MAX_DEPTH = 32
MAX_NODES = 20_000


class Place(Record):
    """A position in a file, or a source as a whole where `line` is 0; counted from 1."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


class Invalid:
    """Stands for a value that was refused: its mistake is known already."""


INVALID = Invalid()


class Node(Record):
    """One value.

    `value` is a scalar, a tuple of nodes, a dict of nodes, or `INVALID`. `key_place` is
    where the key stands that leads to it. `text` is how an unquoted scalar was written.
    """

    value: Any
    place: Place
    key_place: Place | None = None
    text: str | None = None

    @property
    def origin(self) -> Place:
        """Where the value comes from: its key, or itself where there is none."""
        return self.key_place or self.place

    def plain(self) -> Any:
        """Return the value as dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, tuple):
            return [node.plain() for node in self.value]
        return self.value


def kind(node: Node) -> str:
    """Return in words what sort of value `node` is, without the value itself."""
    if isinstance(node.value, dict):
        return "a mapping"
    if isinstance(node.value, tuple):
        return "a list"
    if node.value is None:
        return "nothing"
    if isinstance(node.value, bool):
        return "true or false"
    return "text" if isinstance(node.value, str) else "a number"


FLAG_WORDS = {
    **dict.fromkeys(("true", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "no", "n", "off", "0"), False),
}
"""What people write for true and false, in lower case: in YAML 1.1, the environment, elsewhere."""

_LONGEST_SHOWN = 60


def shown(node: Node) -> str:
    """Return the value of `node` for a message as it was written, cut short when it is long."""
    if isinstance(node.value, str):
        return quote(shortened(node.value, _LONGEST_SHOWN))
    return shortened(node.text, _LONGEST_SHOWN) if node.text else kind(node)


_SPECIAL = frozenset('."=[]` ')


def dotted(parts: Iterable[str | int]) -> str:
    """Return the dotted key of `parts`; an integer is a position in a list."""
    result = ""
    for part in parts:
        if isinstance(part, int):
            result += f"[{part}]"
        elif part and part.isprintable() and _SPECIAL.isdisjoint(part):
            result += f".{part}" if result else part
        else:
            result += f".{quote(part)}" if result else quote(part)
    return result


def split_setting(text: str) -> tuple[tuple[str, ...], str, str]:
    """Return the parts of the key of `KEY=VALUE`, the key as it was written, and the value.

    Raises:
        ValueError: there is no `=`, or the key isn't a dotted key; the message says which.
    """
    parts: list[str] = []
    position = 0
    while True:
        part, position = _split_part(text, position)
        parts.append(part)
        separator = text[position : position + 1]
        if separator == "=":
            return tuple(parts), text[:position], text[position + 1 :]
        if separator != ".":
            raise ValueError("there is no `=` after the key" if not separator else _NOT_DOTTED)
        position += 1


_NOT_DOTTED = 'a key is names joined by dots, one with a dot in it quoted: `patches."odd.name"`'


def _split_part(text: str, start: int) -> tuple[str, int]:
    """Return the part of a key that starts at `start`, and where it ends."""
    if text.startswith('"', start):
        return _split_quoted_part(text, start)
    end = start
    while end < len(text) and text[end] not in '.="':
        end += 1
    if end == start:
        raise ValueError(_NOT_DOTTED)
    return text[start:end], end


def _split_quoted_part(text: str, start: int) -> tuple[str, int]:
    end = start + 1
    while end < len(text) and text[end] != '"':
        end += 2 if text[end] == "\\" else 1
    if end >= len(text):
        raise ValueError("the key's quote isn't closed")
    quoted = text[start : end + 1]
    if "\\" not in quoted:
        return quoted[1:-1], end + 1
    import json

    try:
        return str(json.loads(quoted)), end + 1
    except ValueError:
        raise ValueError("the key's quoted part isn't a JSON string") from None


_LONGEST_NAME = 100
_LONGEST_MESSAGE = 400


class Mistakes:
    """The mistakes and warnings of one source."""

    def __init__(self) -> None:
        self._mistakes: list[tuple[int, int, InputError]] = []
        self.warnings: list[str] = []

    def add(
        self,
        place: Place,
        message: str,
        *,
        expected: str | None = None,
        found: str | None = None,
        hint: str | None = None,
    ) -> None:
        """Add a mistake at `place`."""
        message = shortened(message, _LONGEST_MESSAGE)
        error = InputError(message, expected=expected, found=found, where=str(place), hint=hint)
        self._mistakes.append((place.line, place.column, error))

    def warn(self, text: str) -> None:
        """Add a warning: one sentence without a final period."""
        self.warnings.append(text)

    def in_order(self) -> list[InputError]:
        """Return the mistakes by their position in the source."""
        return [error for *_, error in sorted(self._mistakes, key=lambda entry: entry[:2])]


def nearest(name: str, known: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """Return the known name that `name` may be a misspelling of, or None.

    `likeness` is between 0, for anything at all, and 1, for the same name.
    """
    by_lower_case = {candidate.lower(): candidate for candidate in known}
    if len(name) > _LONGEST_NAME or not by_lower_case:
        return None
    from difflib import get_close_matches

    matches = get_close_matches(name.lower(), list(by_lower_case), n=1, cutoff=likeness)
    return by_lower_case[matches[0]] if matches else None
