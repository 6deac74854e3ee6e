"""Text → nodes, for the part of YAML 1.2 that is plain data.

PyYAML's pure-Python scanner yields events; the nodes are built here, because its own
constructor follows YAML 1.1, drops positions, follows aliases and lets the last of two
equal keys win. The C scanner isn't used: 200,000 open brackets crash it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import yaml

from coral_lock.document.node import INVALID, Mistakes, Node, NodeBuilder, Place, named, shown
from coral_lock.document.reader import place_of, refuse_hidden_lines
from coral_lock.errors import InputError

Path: TypeAlias = tuple[str | int, ...]

_MERGE_KEY = "<<"


def read_yaml(text: str, source: str, mistakes: Mistakes, *, path: Path = ()) -> Node:
    """Return the one document that `text` holds; an empty text is an empty mapping.

    Tags, anchors, aliases, merge keys, keys that aren't text, keys that appear twice and
    numbers out of range go to `mistakes`.

    Args:
        text: the whole document.
        source: how messages call it.
        mistakes: where mistakes go that don't keep the rest from being read.
        path: where in the whole the document belongs.

    Raises:
        InputError: the text isn't YAML, is deeper than 32 levels, has more than 20,000
            keys and values, or several documents; with the position.
    """
    refuse_hidden_lines(text, source)
    return _YamlReader(text, source, mistakes).document(path)


class _YamlReader:
    def __init__(self, text: str, source: str, mistakes: Mistakes) -> None:
        self._source = source
        self._mistakes = mistakes
        self._builder = NodeBuilder(mistakes)
        self._events = self._safe_events(text)

    def document(self, path: Path) -> Node:
        next(self._events)
        start = next(self._events)
        if isinstance(start, yaml.StreamEndEvent):
            return Node(value={}, place=self._place(start))
        node = self._value(next(self._events), path, None)
        next(self._events)
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise InputError(
                "the file contains several documents",
                expected="one document",
                where=str(self._place(after)),
                hint="remove the `---` and what follows it",
            )
        return Node(value={}, place=node.place) if node.text == "" else node

    def _safe_events(self, text: str) -> Iterator[yaml.Event]:
        """Yield the parser's events, turning whatever it raises into an `InputError`."""
        place = Place(source=self._source, line=1, column=1)
        try:
            for event in yaml.parse(text, Loader=yaml.SafeLoader):
                place = self._place(event)
                yield event
        except yaml.MarkedYAMLError as error:
            raise self._syntax_error(error, place) from None
        except yaml.reader.ReaderError as error:
            place = place_of(text, error.position, self._source)
            raise InputError(f"not YAML: {error.reason}", where=str(place)) from None
        except (ValueError, OverflowError):
            # PyYAML converts escapes and directives without looking at their range.
            raise InputError("not YAML: a number is out of range", where=str(place)) from None

    def _syntax_error(self, error: yaml.MarkedYAMLError, place: Place) -> InputError:
        mark = error.problem_mark or error.context_mark
        if mark is not None:
            place = Place(source=self._source, line=mark.line + 1, column=mark.column + 1)
        problem = error.problem or error.context or "it can't be parsed"
        hint = None
        if "'\\t'" in problem:
            hint = "YAML is indented with spaces: replace the tab"
        elif error.context and error.context_mark:
            hint = f"look at line {error.context_mark.line + 1} too: {error.context}"
        return InputError(f"not YAML: {problem}", where=str(place), hint=hint)

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        if mark is None:
            return Place(source=self._source)
        return Place(source=self._source, line=mark.line + 1, column=mark.column + 1)

    def _value(self, event: yaml.Event, path: Path, key_place: Place | None) -> Node:
        """Return the node that starts with `event`, consuming its events."""
        place = self._place(event)
        self._builder.count(place)
        refused = self._refuse_references(event, path)
        if isinstance(event, yaml.CollectionStartEvent):
            self._builder.enter(path, place)
            is_mapping = isinstance(event, yaml.MappingStartEvent)
            value = self._mapping(path) if is_mapping else self._list(path)
            return Node(value=INVALID if refused else value, place=place, key_place=key_place)
        if refused or not isinstance(event, yaml.ScalarEvent):
            return Node(value=INVALID, place=place, key_place=key_place)
        is_plain = event.style is None
        build = self._builder.plain if is_plain else self._builder.text
        return build(event.value, path, place, key_place)

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
            items.append(self._value(event, (*path, len(items)), None))
        return tuple(items)

    def _mapping(self, path: Path) -> dict[str, Node]:
        members: dict[str, Node] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, path)
            key_place = self._place(event)
            node = self._value(next(self._events), (*path, "?" if key is None else key), key_place)
            if key is not None:
                self._builder.put(members, path, key, node)
        return members

    def _key(self, event: yaml.Event, path: Path) -> str | None:
        """Return the key that starts with `event`, None if it was refused."""
        node = self._value(event, (*path, "?"), None)
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
