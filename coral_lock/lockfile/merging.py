"""Merging two changes of one lock, entry by entry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from coral_lock.canonical_json import Value, join_path, write
from coral_lock.errors import InvalidLockError
from coral_lock.lockfile.entries import FIELDS, to_mapping
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.text import from_mapping

_ABSENT: Any = object()
_SECTIONS = ("host", "targets", "plugins", "excluded", "distributions")
"""The objects of a lock whose members are merged one by one; everything else is one entry."""

_MARK = "\0conflict "
_MARKED = re.compile(r'"\\u0000conflict (\d{1,9})",?$')


@dataclass(frozen=True, kw_only=True, slots=True)
class Merge:
    """What became of two changes of one lock.

    Attributes:
        text: the lock that holds both; with conflict markers around the entries that both
            changed in different ways.
        conflicts: the dotted paths of these entries, sorted.
        problem: why what was merged without a conflict isn't a lock, e.g. since one side removed
            what the other began to require; None if it is one.
    """

    text: str
    conflicts: tuple[str, ...] = ()
    problem: InvalidLockError | None = None


def merge(base: Lock | None, ours: Lock, theirs: Lock) -> Merge:
    """Merge two locks that come from one.

    An entry is a plugin, a distribution, a target, a host, or a field of the whole lock. Where
    only one side changed it, or both did so in the same way, the change is taken.

    Args:
        base: the lock that both come from, None if both sides added it.
        ours: one side.
        theirs: the other side.
    """
    documents = [to_mapping(lock) if lock else {} for lock in (base, ours, theirs)]
    conflicts: dict[str, tuple[str, Value, Value]] = {}
    merged = _merged("", documents, conflicts)
    text = write(merged)
    if conflicts:
        return Merge(text=_marked(text, conflicts), conflicts=tuple(sorted(conflicts)))
    try:
        return Merge(text=write(to_mapping(from_mapping(merged))))
    except InvalidLockError as error:
        return Merge(text=text, problem=error)


def _merged(
    path: str, sides: list[dict[str, Value]], conflicts: dict[str, tuple[str, Value, Value]]
) -> dict[str, Value]:
    """Return three objects merged; in place of a conflict is a mark that leads to its values."""
    _, *changed = sides
    names = {name for side in changed for name in side}
    fields = [field.name for field in FIELDS[Lock] if field.name in names]
    ordered = sorted(names) if path else fields
    merged: dict[str, Value] = {}
    for name in ordered:
        place = join_path(path, name)
        base, ours, theirs = (side.get(name, _ABSENT) for side in sides)
        if not path and name in _SECTIONS:
            parts = [side if isinstance(side, dict) else {} for side in (base, ours, theirs)]
            found = _merged(place, parts, conflicts)
            if found or _ABSENT not in (ours, theirs):
                merged[name] = found
        elif _is_same(ours, theirs) or _is_same(theirs, base):
            if ours is not _ABSENT:
                merged[name] = ours
        elif _is_same(ours, base):
            if theirs is not _ABSENT:
                merged[name] = theirs
        else:
            merged[name] = f"{_MARK}{len(conflicts)}"
            conflicts[place] = (name, ours, theirs)
    return merged


def _is_same(one: Value, other: Value) -> bool:
    """Whether two values are written alike: as values, `1` and `true` are equal."""
    return one is other or (_ABSENT not in (one, other) and write(one) == write(other))


def _marked(text: str, conflicts: Mapping[str, tuple[str, Value, Value]]) -> str:
    """Return the text with the two sides of each conflict between markers."""
    values = list(conflicts.values())
    lines = []
    for line in text.splitlines(keepends=True):
        mark = _MARKED.search(line)
        if mark is None or int(mark[1]) >= len(values):
            lines.append(line)
            continue
        name, *sides = values[int(mark[1])]
        indent = line[: len(line) - len(line.lstrip(" "))]
        comma = "," if line.rstrip().endswith(",") else ""
        ours, theirs = (_member(name, side, indent[2:], comma) for side in sides)
        lines += ["<<<<<<< ours\n", *ours, "=======\n", *theirs, ">>>>>>> theirs\n"]
    return "".join(lines)


def _member(name: str, value: Value, indent: str, comma: str) -> list[str]:
    """Return the lines of a member of an object; none if it isn't there."""
    if value is _ABSENT:
        return []
    _, *lines, last, _ = [f"{indent}{line}\n" for line in write({name: value}).splitlines()]
    return [*lines, last.rstrip("\n") + comma + "\n"]
