"""The extra field of a ZIP file's header, which holds what its other fields can't.

The format is that of PKWARE's APPNOTE, sections 4.5.1 and 4.5.3.
"""

from __future__ import annotations

from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = Struct("<HH")
_LARGE_SIZES, _OTHER_NAME = 0x1, 0x7075
_WIDTH = 8
SATURATED = 0xFFFFFFFF


def resolve_sizes(extra: bytes, stated: tuple[int, ...]) -> tuple[int, ...]:
    """Return sizes and offset as they are when a ZIP64 block of the extra field counts.

    Args:
        extra: the extra field.
        stated: what the header itself states, in the order of the block. The block holds
            each of those that have no room, or, as some writers have it, all.

    Raises:
        ValueError: the extra field is broken, contradicts the header, or gives the member
            another name than it has. The message says what the member does.
    """
    values: tuple[int, ...] | None = None
    for kind, block in _blocks(extra):
        if kind == _OTHER_NAME:
            raise ValueError("has a second name")
        if kind == _LARGE_SIZES:
            if values is not None:
                raise ValueError("states its size more than twice")
            values = _filled(block, stated)
    return stated if values is None else values


def _blocks(extra: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(extra):
        start = position + _BLOCK.size
        if start > len(extra):
            raise ValueError("has a broken extra field")
        kind, length = _BLOCK.unpack_from(extra, position)
        position = start + length
        if position > len(extra):
            raise ValueError("has a broken extra field")
        yield kind, extra[start:position]


def _filled(block: bytes, stated: tuple[int, ...]) -> tuple[int, ...]:
    large = [
        int.from_bytes(block[at : at + _WIDTH], "little") for at in range(0, len(block), _WIDTH)
    ]
    missing = stated.count(SATURATED)
    if len(block) % _WIDTH or len(large) not in (missing, len(stated)):
        raise ValueError("has a broken extra field")
    if len(large) == len(stated):
        if any(old not in (new, SATURATED) for old, new in zip(stated, large)):
            raise ValueError("states two sizes")
        return tuple(large)
    values = iter(large)
    return tuple(next(values) if old == SATURATED else old for old in stated)
