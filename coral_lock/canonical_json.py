"""Canonical JSON: one value a line, two spaces a level, a newline at the end.

The writer defines the form. The reader is the scanner behind the `json` module, which itself
imports `re`: a quarter of a locked start.
"""

from __future__ import annotations

import _json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, TypeAlias

    Value: TypeAlias = str | int | float | Mapping[str, "Value"] | Sequence["Value"] | None
else:
    Value = object

MAX_DEPTH = 40
_LONGEST_INTEGER = 32
_CONSTANT_TEXT = {True: "true", False: "false", None: "null"}
_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_INVISIBLE_RANGES = (
    (0x0000, 0x001F),
    (0x007F, 0x009F),
    (0x00AD, 0x00AD),
    (0x061C, 0x061C),
    (0x180E, 0x180E),
    (0x200B, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x206F),
    (0xD800, 0xDFFF),
    (0xFEFF, 0xFEFF),
    (0xFFF9, 0xFFFB),
    (0xE0000, 0xE0FFF),
)
"""Code points that a reviewer can't see, or that reorder what they see: always escaped.

A fixed table, since Unicode categories differ between versions of Python.
"""


class NotCanonicalError(ValueError):
    """The text can't be read as JSON; `line` and `column` count from 1."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


class DuplicateKeyError(NotCanonicalError):
    """An object holds a key twice."""


def quote(text: str) -> str:
    """Return `text` as a JSON string, readable where it is visible and escaped where not."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return f'"{text.translate({ord(each): _escape(each) for each in set(text)})}"'


def _escape(character: str) -> str:
    if character in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[character]
    code = ord(character)
    if not any(first <= code <= last for first, last in _INVISIBLE_RANGES):
        return character
    if code > 0xFFFF:
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
    return f"\\u{code:04x}"


def write(value: Value) -> str:
    """Return the canonical text of `value`; the order of keys is the caller's."""
    lines: list[str] = []
    _write(value, "", "", lines)
    return "\n".join(lines) + "\n"


def _write(value: Value, indent: str, prefix: str, lines: list[str]) -> None:
    """Append the lines of `value`; `prefix` is its key."""
    if isinstance(value, str):
        lines.append(f"{indent}{prefix}{quote(value)}")
    elif value is None or value is True or value is False:
        lines.append(f"{indent}{prefix}{_CONSTANT_TEXT[value]}")
    elif isinstance(value, int) or (isinstance(value, float) and value - value == 0):
        lines.append(f"{indent}{prefix}{value!r}")
    elif isinstance(value, dict):
        _write_items(
            [(f"{quote(key)}: ", item) for key, item in value.items()], "{}", indent, prefix, lines
        )
    elif isinstance(value, (list, tuple)):
        _write_items([("", item) for item in value], "[]", indent, prefix, lines)
    else:
        raise TypeError(f"{type(value).__name__} has no canonical form")


def _write_items(
    items: list[tuple[str, Value]], brackets: str, indent: str, prefix: str, lines: list[str]
) -> None:
    if not items:
        lines.append(f"{indent}{prefix}{brackets}")
        return
    lines.append(f"{indent}{prefix}{brackets[0]}")
    inner = f"{indent}  "
    for key, item in items:
        # Most values are strings.
        if isinstance(item, str):
            lines.append(f"{inner}{key}{quote(item)},")
        else:
            _write(item, inner, key, lines)
            lines[-1] += ","
    lines[-1] = lines[-1][:-1]
    lines.append(f"{indent}{brackets[1]}")


def parse(text: str) -> Value:
    """Return the value of a JSON text; objects keep the order of their keys.

    The check is the caller's that `write` gives the same text again: this reader overlooks
    white space and escapes, and reads a number that has no canonical form as None.

    Raises:
        NotCanonicalError: the text isn't JSON, or is nested deeper than 40 levels.
        DuplicateKeyError: an object holds a key twice.
    """
    try:
        value, end = _scan(text, len(text) - len(text.lstrip()))
    except StopIteration as stop:
        raise _fault("expecting value", text, stop.value) from None
    except DuplicateKeyError:
        # The scanner doesn't say where it is.
        lines_of(text)
        raise
    except RecursionError:
        raise NotCanonicalError(_TOO_DEEP) from None
    except SystemError:
        # Up to Python 3.11, it raises the errors of the module only where that is imported.
        import json.decoder  # noqa: F401

        return parse(text)
    except ValueError as error:
        message = getattr(error, "msg", "").removesuffix(" at").removesuffix(" starting")
        position = getattr(error, "pos", 0)
        raise _fault(message[:1].lower() + message[1:], text, position) from None
    if text[end:].strip():
        raise _fault("extra data", text, end + len(text[end:]) - len(text[end:].lstrip()))
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [item for each in level for item in _items_of(each)]
    if level:
        raise NotCanonicalError(_TOO_DEEP)
    return value  # type: ignore[no-any-return]


_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"


def _items_of(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _fault(message: str, text: str, position: int) -> NotCanonicalError:
    line = text.count("\n", 0, position) + 1
    return NotCanonicalError(message, line, position - text.rfind("\n", 0, position))


def _members(pairs: list[tuple[str, Value]]) -> Value:
    members = dict(pairs)
    if len(members) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _repeated(next(key for key in keys if keys.count(key) > 1))
    return members


def _finite(text: str) -> float | None:
    value = float(text)
    return value if value - value == 0 else None


class _Context:
    """What the scanner asks for, as it would a `json.JSONDecoder`."""

    strict = True
    object_hook = None
    object_pairs_hook = _members
    parse_constant = lambda _: None  # noqa: E731
    parse_float = _finite
    parse_int = lambda text: int(text) if len(text) <= _LONGEST_INTEGER else None  # noqa: E731


_scan: Any = _json.make_scanner(_Context)  # type: ignore[arg-type]


def _repeated(key: str, line: int = 1) -> DuplicateKeyError:
    return DuplicateKeyError(f"the key `{key}` appears twice", line)


def _end_of_key(line: str) -> int:
    """Return the position of the quote that ends the key with which a line begins, or -1."""
    end = line.find('": ', 1) if line.startswith('"') else -1
    while end > 0:
        first_slash = end
        while line[first_slash - 1] == "\\":
            first_slash -= 1
        if (end - first_slash) % 2 == 0:
            return end
        end = line.find('": ', end + 1)
    return -1


def join_path(parent: str, step: str | int) -> str:
    """Return the dotted path of `step` in `parent`: `plugins["patches:x"].after[0]`."""
    if isinstance(step, int):
        return f"{parent}[{step}]"
    if not step.isidentifier():
        return f"{parent}[{quote(step)}]"
    return f"{parent}.{step}" if parent else step


def lines_of(text: str) -> dict[str, int]:
    """Return the line (from 1) on which each value of canonical text starts, by its dotted path.

    Raises:
        DuplicateKeyError: an object holds a key twice.
    """
    lines: dict[str, int] = {}
    places = [""]
    counts = [0]
    for number, line in enumerate(text.split("\n"), 1):
        level = (len(line) - len(line.lstrip(" "))) // 2
        content = line.strip(" ,")
        if level == 0 or level > len(places) or content in ("}", "]"):
            continue
        del places[level:], counts[level:]
        separator = _end_of_key(content)
        step: str | int = counts[-1]
        if separator > 0:
            step, _ = _json.scanstring(content, 1)
        counts[-1] += 1
        places.append(join_path(places[-1], step))
        counts.append(0)
        if places[-1] in lines:
            raise _repeated(str(step), number)
        lines[places[-1]] = number
    return lines
