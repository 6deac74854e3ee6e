"""What every source is read into: values that know their place."""

from __future__ import annotations

from coral_lock.canonical_json import quote
from coral_lock.printable import shortened
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
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
    """Stands for a value that was refused: its mistake is on record already."""


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


_LONGEST_SHOWN = 60


def shown(node: Node) -> str:
    """Return the value of `node` for a message as it was written, cut short when it is long."""
    if isinstance(node.value, str):
        return quote(shortened(node.value, _LONGEST_SHOWN))
    return shortened(node.text, _LONGEST_SHOWN) if node.text else kind(node)
