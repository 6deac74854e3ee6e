"""What the YAML and the JSON reader share: scalars, bounds, and common mistakes."""

from __future__ import annotations

from coral_lock.document.node import INVALID, MAX_DEPTH, MAX_NODES, Node, dotted
from coral_lock.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from coral_lock.document.node import Mistakes, Place


_CONSTANTS = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_NUMBER_STARTS = frozenset("+-.0123456789")
_INTEGER = r"[-+]?[0-9]+"
_OCTAL = r"0o[0-7]+"
_HEXADECIMAL = r"0x[0-9a-fA-F]+"
_FLOAT = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
_NOT_FINITE = r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
_LONGEST_INTEGER = 70
MIN_INTEGER = -(2**63)
MAX_INTEGER = 2**63 - 1


class RefusedNumberError(ValueError):
    """A number that a document can't hold; the message says what is expected instead."""


def resolve_plain(text: str) -> str | int | float | bool | None:
    """Return the value of an unquoted scalar.

    Raises:
        RefusedNumberError: it is infinite, not a number, or over 64 bits.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in _NUMBER_STARTS:
        return text
    # Most values are no numbers, and `re` is a good part of what a start may cost.
    import re

    if re.fullmatch(_INTEGER, text):
        return _integer(text, 10)
    if re.fullmatch(_OCTAL, text):
        return _integer(text[2:], 8)
    if re.fullmatch(_HEXADECIMAL, text):
        return _integer(text[2:], 16)
    if re.fullmatch(_FLOAT, text):
        return finite_float(text)
    if re.fullmatch(_NOT_FINITE, text):
        raise RefusedNumberError("a finite number")
    return text


def _integer(digits: str, base: int) -> int:
    sign = -1 if digits.startswith("-") else 1
    significant = digits.lstrip("+-").lstrip("0") or "0"
    # Python refuses to convert thousands of digits, and takes long for fewer.
    if len(significant) <= _LONGEST_INTEGER:
        value = sign * int(significant, base)
        if MIN_INTEGER <= value <= MAX_INTEGER:
            return value
    raise RefusedNumberError("an integer of at most 64 bits")


def finite_float(text: str) -> float:
    """Return the number that `text` writes.

    Raises:
        RefusedNumberError: it is larger than any float.
    """
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise RefusedNumberError("a number that fits into 64 bits")
    return value


if TYPE_CHECKING:
    Path: TypeAlias = tuple[str | int, ...]


class NodeBuilder:
    """Builds the nodes of one document; what it refuses becomes an `INVALID` node."""

    def __init__(self, mistakes: Mistakes) -> None:
        self._mistakes = mistakes
        self._count = 0

    def count(self, place: Place) -> None:
        """Count one key or value.

        Raises:
            InputError: there are more than 20,000.
        """
        self._count += 1
        if self._count > MAX_NODES:
            raise InputError(
                "the document is too large",
                expected=f"at most {MAX_NODES} keys and values",
                where=str(place),
            )

    def enter(self, path: Path, place: Place) -> None:
        """Enter the collection at `path`.

        Raises:
            InputError: it lies deeper than 32 levels.
        """
        if len(path) >= MAX_DEPTH:
            raise InputError(
                "the document is nested too deep",
                expected=f"at most {MAX_DEPTH} levels",
                where=str(place),
            )

    def text(self, text: str, path: Path, place: Place, key_place: Place | None = None) -> Node:
        """Return the node of a quoted scalar, its surrogate pairs joined."""
        value: Any
        try:
            value = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            value = INVALID
            self._mistakes.add(
                place,
                f"{named(path)} contains a lone surrogate",
                expected="whole characters",
            )
        return Node(value=value, place=place, key_place=key_place)

    def plain(self, text: str, path: Path, place: Place, key_place: Place | None = None) -> Node:
        """Return the node of a scalar without quotes."""
        value: Any
        try:
            value = resolve_plain(text)
        except RefusedNumberError as error:
            value = INVALID
            self._mistakes.add(
                place,
                f"{named(path)} is a number out of range",
                expected=str(error),
                hint="quote it if it is text",
            )
        return Node(value=value, place=place, key_place=key_place, text=text)

    def put(self, members: dict[str, Node], path: Path, key: str, node: Node) -> None:
        """Put `node` into the mapping at `path`, unless its key is there already."""
        if key not in members:
            members[key] = node
            return
        first = members[key].origin
        self._mistakes.add(
            node.origin,
            f"{named((*path, key))} appears twice",
            hint=f"the first one is on line {first.line}" if first.line else None,
        )


def named(path: Path) -> str:
    """Return how a message calls the value at `path`."""
    return f"`{dotted(path)}`" if path else "the document"
