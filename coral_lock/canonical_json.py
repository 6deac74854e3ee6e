"""Canonical JSON: one value a line, two spaces a level, a newline at the end.

The writer defines the form; the reader takes only what has it, line by line, so that a
line number is at hand for every value, and leaves other JSON to `lockfile.text`. It is
not the `json` module, because that imports `re`: a quarter of a locked start.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TypeAlias

    Value: TypeAlias = str | int | float | Mapping[str, "Value"] | Sequence["Value"] | None
else:
    Value = object

MAX_DEPTH = 40
_CONSTANTS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None}
_NUMBER_CHARACTERS = frozenset("0123456789+-.e")
_LONGEST_NUMBER = 32
_INFINITY = float("inf")
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
    """The text isn't canonical JSON; `line` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


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
    """Return the value of canonical text; objects keep the order of their keys.

    The check is the caller's that `write` gives the same text again: this reader overlooks
    commas and the escapes that the writer would have chosen.

    Raises:
        NotCanonicalError: the text isn't one value a line, or is deeper than 40 levels.
        DuplicateKeyError: an object holds a key twice.
    """
    lines = iter(enumerate(text.split("\n"), 1))
    number, line = next(lines)
    value = _parse_value(line, number, lines, 0)
    rest = list(lines)
    if rest and (len(rest) > 1 or rest[0][1]):
        raise NotCanonicalError("more follows the end of the document", rest[0][0])
    return value


def _parse_value(text: str, number: int, lines: Iterator[tuple[int, str]], depth: int) -> Value:
    text = text.removesuffix(",")
    if text in ("{}", "[]"):
        return {} if text == "{}" else []
    if text in ("{", "["):
        if depth == MAX_DEPTH:
            raise NotCanonicalError(f"nested deeper than {MAX_DEPTH} levels", number)
        return (_parse_object if text == "{" else _parse_array)(lines, number, depth + 1)
    if len(text) > 1 and text[0] == text[-1] == '"':
        return _parse_string(text, number)
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    # The writer's form of a number is its `repr`.
    if len(text) <= _LONGEST_NUMBER and _NUMBER_CHARACTERS.issuperset(text):
        try:
            value = int(text) if text.lstrip("-").isdigit() else float(text)
        except ValueError:
            value = _INFINITY
        if value - value == 0:
            return value
    raise NotCanonicalError("expected one JSON value", number)


def _parse_object(lines: Iterator[tuple[int, str]], number: int, depth: int) -> Value:
    result: dict[str, Value] = {}
    for line_number, content in _items(lines, number, depth, "}"):
        separator = _end_of_key(content)
        if separator < 0:
            raise NotCanonicalError("expected a key and its value", line_number)
        key = _parse_string(content[: separator + 1], line_number)
        if key in result:
            raise DuplicateKeyError(f"the key `{key}` appears twice", line_number)
        result[key] = _parse_value(content[separator + 3 :], line_number, lines, depth)
    return result


def _parse_array(lines: Iterator[tuple[int, str]], number: int, depth: int) -> Value:
    items = _items(lines, number, depth, "]")
    return [_parse_value(content, number, lines, depth) for number, content in items]


def _items(
    lines: Iterator[tuple[int, str]], number: int, depth: int, end: str
) -> Iterator[tuple[int, str]]:
    """Yield the line on which each item of an object or array begins: its number and content."""
    indent = "  " * depth
    width = len(indent)
    for number, line in lines:
        # The end has the indent of the level above.
        if line.startswith(indent):
            yield number, line[width:]
        elif line.strip(" ,") == end:
            return
        else:
            raise NotCanonicalError("expected a value", number)
    raise NotCanonicalError("the document ends too early", number)


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


def _parse_string(text: str, number: int) -> str:
    if "\\" not in text:
        return text[1:-1]
    import json

    try:
        return str(json.loads(text))
    except ValueError:
        raise NotCanonicalError("this isn't a JSON string", number) from None


def join_path(parent: str, step: str | int) -> str:
    """Return the dotted path of `step` in `parent`: `plugins["patches:x"].after[0]`."""
    if isinstance(step, int):
        return f"{parent}[{step}]"
    if not step.isidentifier():
        return f"{parent}[{quote(step)}]"
    return f"{parent}.{step}" if parent else step


def lines_of(text: str) -> dict[str, int]:
    """Return the line (from 1) on which each value starts, by its dotted path."""
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
        step: str | int = (
            _parse_string(content[: separator + 1], number) if separator > 0 else counts[-1]
        )
        counts[-1] += 1
        places.append(join_path(places[-1], step))
        counts.append(0)
        lines.setdefault(places[-1], number)
    return lines
