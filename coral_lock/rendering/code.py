"""What changed in the files of distributions, as text and as Markdown.

Every line of a file is untrusted text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from coral_lock.difference.text import one_line
from coral_lock.errors import abridged, printable, shortened
from coral_lock.messages import counted

if TYPE_CHECKING:
    from coral_lock.difference.capabilities import Use
    from coral_lock.difference.code import DistributionCode, FileChange

_MARKS = {"added": "+", "removed": "-", "changed": "~"}
_LONGEST_SHOWN = 100
_MAX_PLACES = 3
_TAB = " " * 4


def render_code(found: Sequence[DistributionCode]) -> str:
    """Return the code of distributions as text; empty if there is none.

    For each: what it newly uses, marked with `!`, then its files with their text diffs.
    """
    return "\n".join(
        "".join(f"{line}\n" for line in [heading(each), *_lines(each)]) for each in found
    )


def heading(code: DistributionCode) -> str:
    """Return whose code changed and by how many files: `x 1.0 → 1.1: 1 file changed`."""
    versions = one_line(code.new_version)
    if code.old_version is None:
        versions = f"{versions}, which is new"
    elif code.old_version != code.new_version:
        versions = f"{one_line(code.old_version)} → {versions}"
    counts = [
        f"{counted(number, 'file')} {kind}"
        for kind in ("changed", "added", "removed")
        if (number := code.count(kind))
    ]
    if code.more_files:
        counts.append(f"{code.more_files} more")
    about = ", ".join(counts) or "no file compared"
    return f"code of {one_line(code.distribution)} {versions}: {about}"


def note_lines(code: DistributionCode) -> Iterator[str]:
    """Yield what deserves a look first: why files weren't compared, what the code newly uses and
    why that matters, and new commands."""
    for reason in code.unseen:
        yield f"not compared, {reason}"
    places: dict[tuple[str, str], list[Use]] = {}
    for each in code.uses:
        places.setdefault((each.meaning, each.name), []).append(each)
    for (meaning, name), some in places.items():
        first, *others = (f"{shortened(each.path)}:{each.line}" for each in some)
        yield f"{meaning}, {name}: {first}: {shortened(some[0].text, _LONGEST_SHOWN)}"
        if others:
            yield f"  also in {abridged(others, _MAX_PLACES)}"
    if code.more_uses:
        yield f"{counted(code.more_uses, 'more place')} like these"
    if code.commands:
        yield f"new commands: {', '.join(map(one_line, code.commands))}"


def file_line(change: FileChange) -> str:
    """Return what happened to a file, on a line."""
    problem = f" ({change.problem})" if change.problem else ""
    return printable(f"{_MARKS[change.kind]} {change.path}{problem}")


def diff_lines(change: FileChange) -> Iterator[str]:
    """Yield the lines of a text diff, what is invisible in them escaped."""
    for line in change.lines:
        yield printable(line.replace("\t", _TAB))
    if change.more_lines:
        yield f"… {counted(change.more_lines, 'more line')}"


def _lines(code: DistributionCode) -> Iterator[str]:
    for note in note_lines(code):
        yield printable(f"    {note}" if note.startswith(" ") else f"  ! {note}")
    for change in code.files:
        yield f"  {file_line(change)}"
        yield from (f"      {line}" for line in diff_lines(change))
    if code.more_files:
        yield f"  {counted(code.more_files, 'more file')}"


def code_blocks(code: DistributionCode) -> Iterator[str]:
    """Yield blocks of Markdown: what the code newly uses, text diffs, and the other files.

    What comes from files is fenced by more backticks than it has in a row
    (https://spec.commonmark.org/0.31.2/#fenced-code-blocks).
    """
    notes = [printable(note) for note in note_lines(code)]
    if notes:
        yield _fenced("text", notes)
    for change in code.files:
        if change.lines:
            yield _fenced("diff", [file_line(change), *diff_lines(change)])
    others = [file_line(change) for change in code.files if not change.lines]
    if code.more_files:
        others.append(counted(code.more_files, "more file"))
    if others:
        yield _fenced("text", others)


def _fenced(language: str, lines: Sequence[str]) -> str:
    content = "\n".join(lines)
    longest = max(map(len, re.findall("`+", content)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{content}\n{fence}"
