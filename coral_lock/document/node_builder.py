"""What the YAML and the JSON reader share: bounds, and the mistakes that both can meet."""

from __future__ import annotations

from coral_lock.document.keys import dotted
from coral_lock.document.node import INVALID, MAX_DEPTH, MAX_NODES, Node
from coral_lock.document.scalars import RefusedNumberError, resolve_plain
from coral_lock.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from coral_lock.document.mistakes import Mistakes
    from coral_lock.document.node import Place

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
                f"{named(path)} holds half of a surrogate pair",
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
                f"{named(path)} is a number that can't be held",
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
