"""Bytes → text → nodes: JSON, and the part of YAML 1.2 that is plain data.

JSON isn't read as YAML: PyYAML fails at tabs between values, surrogate pairs and keys on a line
of their own, and a `.json` file that only YAML can read would fail in every other tool.

PyYAML's pure-Python scanner yields events; the nodes are built here, because its own
constructor follows YAML 1.1, drops positions, follows aliases and lets the last of two
equal keys win. The C scanner isn't used: 200,000 open brackets crash it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, TypeAlias

import yaml

from coral_lock.document.node import (
    INVALID,
    MAX_DEPTH,
    Invalid,
    Mistakes,
    Node,
    Place,
    named,
    plain_node,
    put,
    shown,
)
from coral_lock.errors import InputError
from coral_lock.safe_files import decoded

Path: TypeAlias = tuple[str | int, ...]

MAX_NODES = 20_000

_CONFLICT_MARKERS = ("<<<<<<<", ">>>>>>>")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
# NEL, LS and PS end a line for PyYAML, but neither for YAML 1.2 nor for most editors.
_HIDDEN = re.compile("[\x7f-\x9f\u2028\u2029\ufffe\uffff]|\r(?!\n)")


def decode(content: bytes, source: str) -> str:
    """Return the text of a file's bytes: only what a reviewer sees the same way.

    Raises:
        InputError: it isn't UTF-8 without a byte order mark, holds a control character
            or merge conflict markers; with the position.
    """
    hint = "save the file as UTF-8 without a byte order mark"
    text = decoded(content, source, what="file", hint=hint)
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith(_CONFLICT_MARKERS) and line[7:8] in ("", " ", "\r"):
            raise InputError(
                "the file contains merge conflict markers",
                found=line[:60].rstrip(),
                where=f"{source}:{number}:1",
                hint="resolve the conflict in the file first",
            )
    _refuse_match(_CONTROL, text, source)
    return text


def place_of(text: str, position: int, source: str) -> Place:
    """Return line and column of the character at `position`."""
    line = text.count("\n", 0, position) + 1
    return Place(source=source, line=line, column=position - text.rfind("\n", 0, position))


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


_TOKEN = r'[ \t\n\r]*("[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]:,]|[^ \t\n\r"{}\[\]:,]+)'


def read_json(text: str, source: str, mistakes: Mistakes) -> Node:
    """Return the JSON document that `text` holds; an empty text is an empty mapping.

    Keys that appear twice and numbers out of range go to `mistakes`.

    Args:
        text: the whole document.
        source: how messages call it.
        mistakes: where mistakes go that don't keep the rest from being read.

    Raises:
        InputError: the text isn't JSON, is deeper than 32 levels or has more than 20,000
            keys and values; with the position.
    """
    if not text.strip(" \t\n\r"):
        return Node(value={}, place=Place(source=source, line=1, column=1))
    # Most documents are YAML.
    import json

    try:
        json.loads(text, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        problem = error.msg[:1].lower() + error.msg[1:].removesuffix(" at")
        if error.pos == len(text):
            problem = "unexpected end of the file"
        place = place_of(text, error.pos, source)
        raise InputError(f"not JSON: {problem}", where=str(place)) from None
    except RecursionError:
        # The reader refuses it as well, and knows the place.
        pass
    events = _json_events(text, source)
    return _Reader(events, source, mistakes).value(next(events), ())


def _json_events(text: str, source: str) -> Iterator[yaml.Event]:
    """Yield the events of a YAML parser for a text that is JSON as far as it isn't too deep."""
    import json

    line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
    for match in re.finditer(_TOKEN, text):
        token, start = match[1], match.start(1)
        line = bisect_right(line_starts, start) - 1
        mark = yaml.Mark(source, start, line, start - line_starts[line], None, 0)
        if token == "{":
            yield yaml.MappingStartEvent(None, None, True, mark)
        elif token == "[":
            yield yaml.SequenceStartEvent(None, None, True, mark)
        elif token == "}":
            yield yaml.MappingEndEvent(mark)
        elif token == "]":
            yield yaml.SequenceEndEvent(mark)
        elif token in ("NaN", "Infinity", "-Infinity"):
            place = place_of(text, start, source)
            raise InputError(f"not JSON: `{token}` isn't a number of JSON", where=str(place))
        elif token.startswith('"'):
            yield yaml.ScalarEvent(None, None, (False, True), json.loads(token), mark, style='"')
        elif token not in (",", ":"):
            yield yaml.ScalarEvent(None, None, (True, False), token, mark)


_MERGE_KEY = "<<"


def read_yaml(
    text: str, source: str, mistakes: Mistakes, *, path: Path = (), is_file: bool = True
) -> Node:
    """Return the one document that `text` holds; an empty text is an empty mapping.

    Tags, anchors, aliases, merge keys, keys that aren't text, keys that appear twice and
    numbers out of range go to `mistakes`.

    Args:
        text: the whole document.
        source: how messages call it.
        mistakes: where mistakes go that don't keep the rest from being read.
        path: where in the whole the document belongs.
        is_file: whether nodes have a line and a column, or are all at the source as a whole.

    Raises:
        InputError: the text isn't YAML, is deeper than 32 levels, has more than 20,000
            keys and values, or several documents; with the position.
    """
    _refuse_match(_HIDDEN, text, source)
    events = _yaml_events(text, source)
    next(events)
    start = next(events)
    if isinstance(start, yaml.StreamEndEvent):
        return Node(value={}, place=_place(start, source))
    node = _Reader(events, source, mistakes, is_file=is_file).value(next(events), path)
    next(events)
    after = next(events)
    if not isinstance(after, yaml.StreamEndEvent):
        raise InputError(
            "the file contains several documents",
            expected="one document",
            where=str(_place(after, source)),
            hint="remove the `---` and what follows it",
        )
    return Node(value={}, place=node.place) if node.text == "" else node


def _yaml_events(text: str, source: str) -> Iterator[yaml.Event]:
    """Yield the parser's events, turning its errors into an `InputError`."""
    event: yaml.Event | None = None

    def last_place() -> Place:
        return _place(event, source) if event else Place(source=source, line=1, column=1)

    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            yield event
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, last_place()) from None
    except yaml.reader.ReaderError as error:
        place = place_of(text, error.position, source)
        raise InputError(f"not YAML: {error.reason}", where=str(place)) from None
    except (ValueError, OverflowError):
        # PyYAML converts escapes and directives without looking at their range.
        where = str(last_place())
        raise InputError("not YAML: a number is out of range", where=where) from None


def _syntax_error(error: yaml.MarkedYAMLError, place: Place) -> InputError:
    mark = error.problem_mark or error.context_mark
    if mark is not None:
        place = place.replace(line=mark.line + 1, column=mark.column + 1)
    problem = error.problem or error.context or "it can't be parsed"
    hint = None
    if "'\\t'" in problem:
        hint = "YAML is indented with spaces: replace the tab"
    elif error.context and error.context_mark:
        hint = f"look at line {error.context_mark.line + 1} too: {error.context}"
    return InputError(f"not YAML: {problem}", where=str(place), hint=hint)


def _place(event: yaml.Event, source: str) -> Place:
    mark = event.start_mark
    assert mark is not None
    return Place(source=source, line=mark.line + 1, column=mark.column + 1)


class _Reader:
    """Builds the nodes of one document from the events of its parser."""

    def __init__(
        self,
        events: Iterator[yaml.Event],
        source: str,
        mistakes: Mistakes,
        *,
        is_file: bool = True,
    ) -> None:
        self._events = events
        self._is_file = is_file
        self._source = source
        self._mistakes = mistakes
        self._count = 0

    def value(self, event: yaml.Event, path: Path, key_place: Place | None = None) -> Node:
        """Return the node that starts with `event`, consuming its events.

        Raises:
            InputError: it is deeper than 32 levels, or one key or value too many.
        """
        place = self._place(event)
        self._count += 1
        is_collection = isinstance(event, yaml.CollectionStartEvent)
        problem, limit = None, ""
        if self._count > MAX_NODES:
            problem, limit = "too large", f"{MAX_NODES} keys and values"
        elif is_collection and len(path) >= MAX_DEPTH:
            problem, limit = "nested too deep", f"{MAX_DEPTH} levels"
        if problem:
            message = f"the document is {problem}"
            raise InputError(message, expected=f"at most {limit}", where=str(place))
        value: Any = INVALID
        is_refused = self._refuse_references(event, path)
        if is_collection:
            is_mapping = isinstance(event, yaml.MappingStartEvent)
            value = self._mapping(path) if is_mapping else self._list(path)
        elif isinstance(event, yaml.ScalarEvent) and not is_refused:
            if event.style is None:
                return plain_node(event.value, path, place, self._mistakes, key_place)
            value = self._text(event.value, path, place)
        return Node(value=INVALID if is_refused else value, place=place, key_place=key_place)

    def _place(self, event: yaml.Event) -> Place:
        place = _place(event, self._source)
        return place if self._is_file else place.replace(line=0, column=0)

    def _text(self, text: str, path: Path, place: Place) -> str | Invalid:
        """Return the value of a quoted scalar, its surrogate pairs joined."""
        if text.isascii():
            return text
        try:
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            message = f"{named(path)} contains a lone surrogate"
            self._mistakes.add(place, message, expected="whole characters")
            return INVALID

    def _refuse_references(self, event: yaml.Event, path: Path) -> bool:
        """Add a mistake for a tag, anchor or alias; return whether there was one."""
        anchor = getattr(event, "anchor", None)
        tag = getattr(event, "tag", None)
        if isinstance(event, yaml.AliasEvent):
            what, found = "an alias", f"*{anchor}"
        elif tag is not None:
            what, found = "a tag", f"{tag}"
        elif anchor is not None:
            what, found = "an anchor", f"&{anchor}"
        else:
            return False
        self._mistakes.add(
            self._place(event),
            f"{named(path)} has {what}",
            expected="plain data",
            found=found,
            hint="write the value itself",
        )
        return True

    def _list(self, path: Path) -> tuple[Node, ...]:
        items: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self.value(event, (*path, len(items))))
        return tuple(items)

    def _mapping(self, path: Path) -> dict[str, Node]:
        members: dict[str, Node] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key_node = self.value(event, (*path, "?"))
            key = self._key(key_node, path)
            inner = (*path, "?" if key is None else key)
            node = self.value(next(self._events), inner, key_node.place)
            if key is not None:
                put(members, path, key, node, self._mistakes)
        return members

    def _key(self, node: Node, path: Path) -> str | None:
        """Return the key that a node is, None if it was refused."""
        if node.text == _MERGE_KEY:
            problem, expected, found = "merges another mapping", "plain data", _MERGE_KEY
            hint = "write the values themselves"
        elif isinstance(node.value, str):
            return node.value
        elif node.value is INVALID:
            return None
        else:
            problem, expected = "has a key that isn't a string", "text"
            found = shown(node)
            hint = f'quote it: "{found}"' if node.text else "write a key as one word or quote it"
        self._mistakes.add(
            node.place, f"{named(path)} {problem}", expected=expected, found=found, hint=hint
        )
        return None
