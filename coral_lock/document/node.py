"""What every source is read into: values that know their place, and the mistakes in them."""

from __future__ import annotations

from coral_lock.canonical_json import quote
from coral_lock.errors import InputError, shortened
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TypeAlias

    Path: TypeAlias = tuple[str | int, ...]

MAX_DEPTH = 32


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
    the place of its key. `text` is how an unquoted scalar was written.
    """

    value: Any
    place: Place
    key_place: Place | None = None
    text: str | None = None

    @property
    def origin(self) -> Place:
        """Where the value comes from: its key, or itself where there is none."""
        return self.key_place or self.place

    @property
    def members(self) -> dict[str, Node]:
        """The members of a mapping; none where the value is anything else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> tuple[Node, ...]:
        """The items of a list; none where the value is anything else."""
        return self.value if isinstance(self.value, tuple) else ()

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


_LONGEST_NAME = 100
_LONGEST_MESSAGE = 400


class Mistakes:
    """The mistakes and warnings of one source."""

    def __init__(self) -> None:
        self._mistakes: list[tuple[int, int, InputError]] = []
        self.warnings: list[str] = []

    def add(self, place: Place, message: str, **details: str | None) -> None:
        """Add a mistake at `place`; `details` are `expected`, `found` and `hint` of its error."""
        message = shortened(message, _LONGEST_MESSAGE)
        error = InputError(message, where=str(place), **details)
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


_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
"""What stands for something else than text, in YAML's core schema."""
_NUMBER_STARTS = frozenset("+-.0123456789")
_NUMBER = (
    r"(?P<integer>[-+]?[0-9]+)|0o(?P<octal>[0-7]+)|0x(?P<hexadecimal>[0-9a-fA-F]+)"
    r"|(?P<float>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<infinite>[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))"
)
_BASES = {"integer": 10, "octal": 8, "hexadecimal": 16}
_LONGEST_INTEGER = 70
_DIGITS_OF_ANY_INTEGER = 18
"""With as many digits every integer fits into 64 bits."""


class RefusedNumberError(ValueError):
    """A number that a document can't hold; the message is what is expected instead."""


def resolve_plain(text: str) -> str | int | float | bool | None:
    """Return the value of an unquoted scalar.

    Raises:
        RefusedNumberError: it is infinite, not a number, or over 64 bits.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in _NUMBER_STARTS:
        return text
    if text.isascii() and text.isdigit() and len(text) <= _DIGITS_OF_ANY_INTEGER:
        return int(text)
    # Most values are no other numbers, and `re` is a good part of what a start may cost.
    import re

    match = re.fullmatch(_NUMBER, text)
    if match is None:
        return text
    form = match.lastgroup or ""
    if form == "infinite":
        raise RefusedNumberError("a finite number")
    if form == "float":
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise RefusedNumberError("a number that fits into 64 bits")
        return value
    sign = -1 if text.startswith("-") else 1
    digits = match[form].lstrip("+-").lstrip("0") or "0"
    # Python refuses to convert thousands of digits, and takes long for fewer.
    if len(digits) <= _LONGEST_INTEGER:
        integer = sign * int(digits, _BASES[form])
        if -(2**63) <= integer < 2**63:
            return integer
    raise RefusedNumberError("an integer of at most 64 bits")


def plain_node(
    text: str, path: Path, place: Place, mistakes: Mistakes, key_place: Place | None = None
) -> Node:
    """Return the node of a scalar without quotes; a number out of range goes to `mistakes`."""
    value: Any
    try:
        value = resolve_plain(text)
    except RefusedNumberError as error:
        value = INVALID
        mistakes.add(
            place,
            f"{named(path)} is a number out of range",
            expected=str(error),
            hint="quote it if it is text",
        )
    return Node(value=value, place=place, key_place=key_place, text=text)


def put(members: dict[str, Node], path: Path, key: str, node: Node, mistakes: Mistakes) -> None:
    """Put `node` into the mapping at `path`; a key that is there already is a mistake."""
    first = members.setdefault(key, node).origin
    if members[key] is not node:
        mistakes.add(
            node.origin,
            f"{named((*path, key))} appears twice",
            hint=f"the first one is on line {first.line}" if first.line else None,
        )


def named(path: Path) -> str:
    """Return how a message calls the value at `path`."""
    return f"`{dotted(path)}`" if path else "the document"
