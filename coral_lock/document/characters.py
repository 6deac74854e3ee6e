"""From a document's bytes to its text: only what a reviewer sees the same way."""

from __future__ import annotations

import re

from coral_lock.document.node import Place
from coral_lock.errors import InputError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_CONFLICT_MARKERS = ("<<<<<<<", ">>>>>>>")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
# NEL, LS and PS end a line for PyYAML, but neither for YAML 1.2 nor for most editors.
_HIDDEN = re.compile("[\x7f-\x9f\u2028\u2029\ufffe\uffff]|\r(?!\n)")


def decode(content: bytes, source: str) -> str:
    """Return the text of a file's bytes.

    Args:
        content: the whole file.
        source: how messages call it.

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
    _refuse_conflict_markers(text, source)
    _refuse_match(_CONTROL, text, source)
    return text


def refuse_hidden_lines(text: str, source: str) -> None:
    """Refuse what YAML's reader takes for the end of a line where a reviewer sees none.

    Raises:
        InputError: the text holds a control character, an unusual line break, or a
            carriage return without a line feed.
    """
    _refuse_match(_HIDDEN, text, source)


def place_of(text: str, position: int, source: str) -> Place:
    """Return line and column of the character at `position`."""
    line = text.count("\n", 0, position) + 1
    return Place(source=source, line=line, column=position - text.rfind("\n", 0, position))


def _refuse_conflict_markers(text: str, source: str) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith(_CONFLICT_MARKERS) and line[7:8] in ("", " ", "\r"):
            raise InputError(
                "the file contains merge conflict markers",
                found=line[:60].rstrip(),
                where=f"{source}:{number}:1",
                hint="resolve the conflict in the file first",
            )


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
