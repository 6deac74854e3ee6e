"""Dotted keys: how a value in a document is named in messages and in `--set`.

A part that holds a dot or anything else that would mislead is quoted like a JSON string:
`patches."odd.name"`.
"""

from __future__ import annotations

from coral_lock.canonical_json import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

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
            raise ValueError("there is no `=` behind the key" if not separator else _NOT_DOTTED)
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
