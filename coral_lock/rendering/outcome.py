"""What a command found, as a value that every format renders."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from coral_lock.canonical_json import Value, lines_of, quote, write
from coral_lock.difference.model import LEVELS, Change, dotted
from coral_lock.finding import Finding, has_errors
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.text import write_lock
from coral_lock.messages import counted, size_of
from coral_lock.record import Record

# Few commands look into files.
if TYPE_CHECKING:
    from coral_lock.difference.code import DistributionCode

Side: TypeAlias = tuple[Lock | None, str]
"""A lock, or None where there is none, and what to call it."""


class Outcome(Record):
    """What a command found.

    Attributes:
        document: all of it but the findings and the changes, as a JSON object.
        text: what people read on standard output.
        findings: the findings, None for a command that has none; people read them on standard
            error, unless `text` has them.
        changes: what changed between two locks, None for a command that compares none.
        code: what changed in the files of distributions, None where they weren't compared.
        locks: the two locks, each None where there is none and with what to call it. The
            changes have their lines in the second, which is called by its file, or `-`.
        has_findings_in_text: whether `text` has the findings.
    """

    document: Mapping[str, Value]
    text: str = ""
    findings: tuple[Finding, ...] | None = None
    changes: tuple[Change, ...] | None = None
    code: tuple[DistributionCode, ...] | None = None
    locks: tuple[Side, Side] | None = None
    has_findings_in_text: bool = False


class Position(Record):
    """Where in a file something is; line and column count from 1."""

    file: str
    line: int | None = None
    column: int | None = None

    @property
    def path(self) -> str:
        """The file without needless steps: `./a/../b` is `b`."""
        return posixpath.normpath(self.file)

    @property
    def is_inside(self) -> bool:
        """Whether the file is in the working directory, as its name says."""
        return not self.path.startswith(("/", "../")) and self.path != ".."


def position_of(where: str | None) -> Position | None:
    """Return the position that the `where` of a finding names, None where it names no file."""
    where = where or ""
    placed = re.fullmatch(r"(.+?):(\d+)(?::(\d+))?", where)
    if placed:
        file, line, column = placed.groups()
        return Position(file=file, line=int(line), column=int(column) if column else None)
    is_file = re.fullmatch(r"[^:]*(/[^:]*|\.(toml|ya?ml|json|whl))", where)
    return Position(file=where) if is_file else None


def change_positions(outcome: Outcome) -> Iterator[tuple[Change, Position | None]]:
    """Yield the changes, each with where it is in the file of the new lock.

    What is gone from there is where the nearest entry around it is.
    """
    lock, file = outcome.locks[1] if outcome.locks else (None, "-")
    if lock is None or file == "-":
        yield from ((change, None) for change in outcome.changes or ())
        return
    text = write_lock(lock)
    lines, content = lines_of(text), text.split("\n")
    for change in outcome.changes or ():
        paths = (dotted(change.place[:end]) for end in range(len(change.place), 0, -1))
        line = next((lines[path] for path in paths if path in lines), 1)
        if isinstance(change.after, str) and content[line - 1].endswith("["):
            line = _line_of_item(content, line, change.after)
        yield change, Position(file=file, line=line)


def _line_of_item(content: Sequence[str], start: int, item: str) -> int:
    """Return the line of an item in the array that starts at a line, else that line."""
    for line, each in enumerate(content[start:], start + 1):
        if each.strip(" ,") == quote(item):
            return line
        if each.strip(" ,") == "]":
            break
    return start


def counts_of(outcome: Outcome) -> str:
    """Return how many changes there are, and how risky they are, as a sentence."""
    changes = outcome.changes or ()
    old, new = (lock for lock, _ in outcome.locks) if outcome.locks else (None, None)
    if not changes and new is not None and old is None:
        return f"A new lock: {size_of(new)}."
    if not changes:
        # After an error nobody knows whether it is the same.
        is_same = not has_errors(outcome.findings or ())
        return "No changes: the same plugins, from the same bytes." if is_same else "No changes."
    risky = [
        f"{count} of {level} risk"
        for level in LEVELS
        if (count := sum(change.level == level for change in changes))
    ]
    about = ", ".join(risky) if risky else "none of them risky"
    return f"{counted(len(changes), 'change')}, {about}."


def quoted_parts(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a sentence, each with whether it stands in backticks."""
    parts = text.split("`")
    for index, part in enumerate(parts):
        yield part, index % 2 == 1 and index < len(parts) - 1


def results(outcome: Outcome) -> Iterator[tuple[Finding | Change, Position | None, str]]:
    """Yield findings, then changes, each with where it is and with its fingerprint.

    A fingerprint is a number, as 64 hexadecimal digits, by which a result is known again. It
    doesn't follow from lines, and none is twice: of equal results the first has the same each time.
    """
    # Few formats number results.
    import hashlib

    found: list[tuple[Finding | Change, Position | None, list[Value]]] = [
        (each, position_of(each.where), [each.code, each.subject, each.summary])
        for each in outcome.findings or ()
    ]
    found += [
        (each, position, [each.code, each.path, each.before, each.after])
        for each, position in change_positions(outcome)
    ]
    seen: Counter[str] = Counter()
    for result, position, identity in found:
        known = write(identity)
        seen[known] += 1
        yield result, position, hashlib.sha256(f"{known}{seen[known]}".encode()).hexdigest()
