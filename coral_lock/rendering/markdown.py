"""Markdown for a comment on a pull request: the risks first, the rest folded.

Names, versions and descriptions are untrusted text. Whatever could be markup, a mention or a link
is written as a character reference (https://spec.commonmark.org/0.31.2/#entity-and-numeric-character-references).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from coral_lock.canonical_json import Value
from coral_lock.difference.model import LEVELS, Change
from coral_lock.difference.text import one_line, via_text
from coral_lock.errors import printable, shortened
from coral_lock.finding import Finding
from coral_lock.messages import counted
from coral_lock.rendering.code import code_blocks, heading
from coral_lock.rendering.graph import LEGEND, MAX_COMMENT, compared, joined, listed, mermaid
from coral_lock.rendering.outcome import Outcome, counts_of, quoted_parts

if TYPE_CHECKING:
    from coral_lock.difference.code import DistributionCode

MARKER = "<!-- coral-runtime -->"
"""The first line, by which a program finds the comment to update."""

MAX_BYTES = 60_000
"""Forges refuse longer comments; GitHub's limit is 65,536 characters."""

_MAX_VALUE = 200
_MAX_NODES = 40
_MAX_CODE_SECTIONS = 20
_PLAIN = frozenset(" .,;:'()/+=…→") | frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
)
_ADDRESSES = re.compile("@(?=[^ ])|:(?=//)|www(?=[.])", re.IGNORECASE)
"""What begins a link to a person or a page; GitHub looks for pages in code, too."""

_REFERENCES = re.compile("[#!$%&~*](?=[^ ])")
"""What begins a link to an issue, a label or the like."""


def render_markdown(outcome: Outcome, max_bytes: int = MAX_BYTES) -> str:
    """Return changes and findings as Markdown, no longer than `max_bytes` of UTF-8.

    What doesn't fit is counted at the end of its section. Headings and these counts are always
    there: a few KiB.
    """
    sections = [
        *_finding_sections(outcome.findings or ()),
        *_change_sections(outcome),
        *_code_sections(outcome.code or ()),
    ]
    return render_sections([MARKER, *_headline(outcome)], sections, max_bytes)


def render_sections(
    headline: Sequence[str], sections: Sequence[Section], max_bytes: int = MAX_BYTES
) -> str:
    """Return a headline and sections, no longer than `max_bytes` of UTF-8.

    Headings, and the counts of what is left out, always fit.
    """
    lines = [*headline]
    left = max_bytes - _size(lines) - sum(_size(section.frame()) for section in sections)
    for section in sorted(sections, key=lambda section: section.gives_way):
        for row in section.rows:
            if left < _size([row]):
                break
            left -= _size([row])
            section.shown.append(row)
    for section in sections:
        lines += section.lines()
    return "\n".join(lines) + "\n"


@dataclass(slots=True)
class Section:
    """Rows under a heading, with what is above them.

    `is_folded` hides all but the heading, `gives_way` leaves room to all other sections first.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[str]
    is_folded: bool = False
    gives_way: bool = False
    shown: list[str] = field(default_factory=list)

    def frame(self) -> Iterator[str]:
        """Yield all lines that there can be but the rows."""
        yield from (*self.head, "") if self.rows else ()
        yield from self.lines()

    def lines(self) -> Iterator[str]:
        """Yield the lines of the section with those rows that are shown."""
        yield ""
        if self.is_folded:
            yield f"<details><summary>{self.title}</summary>"
        else:
            yield f"**{self.title}**"
        if self.shown or not self.rows:
            yield ""
            yield from self.head
            yield from self.shown
        if len(self.shown) < len(self.rows):
            yield ""
            yield f"{len(self.rows) - len(self.shown)} of them are left out here."
        if self.is_folded:
            yield ""
            yield "</details>"


def _size(lines: Iterable[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)


def _headline(outcome: Outcome) -> Iterator[str]:
    if outcome.changes is not None:
        name = as_code(outcome.locks[1][1]) if outcome.locks else "the lock"
        yield f"### Changes of {name}"
        yield ""
        yield counts_of(outcome)
    elif not outcome.findings:
        yield "No findings."


def _finding_sections(findings: Sequence[Finding]) -> Iterator[Section]:
    for severity in sorted({finding.severity for finding in findings}):
        rows = [
            table_row(
                as_code(finding.code),
                sentence(finding.summary)
                + "".join(
                    f"<br>{name}: {as_code(value)}" for name, value in finding.details().items()
                ),
            )
            for finding in findings
            if finding.severity == severity
        ]
        yield Section(counted(len(rows), severity), table_head("Code", "Finding"), rows)


def _change_sections(outcome: Outcome) -> Iterator[Section]:
    changes = outcome.changes or ()
    for level in LEVELS:
        of_level = [change for change in changes if change.level == level]
        if of_level:
            yield Section(
                f"{level.capitalize()} risk",
                table_head("Risk", "Change", "Of"),
                [
                    table_row(
                        "<br>".join(as_code(risk.code) for risk in change.risks), *_cells(change)
                    )
                    for change in of_level
                ],
                gives_way=level == LEVELS[-1],
            )
    others = [change for change in changes if change.level is None]
    if others:
        title = counted(len(others), "change") + " without a risk"
        rows = [table_row(*_cells(change)) for change in others]
        head = table_head("Change", "Of")
        yield Section(title, head, rows, is_folded=True, gives_way=True)
    yield from _graph_section(outcome)
    risks = {risk.code: risk for change in changes for risk in change.risks}
    if risks:
        rows = [table_row(as_code(risk.code), sentence(risk.sentence)) for risk in risks.values()]
        yield Section("What the risks mean", table_head("Risk", "Meaning"), rows, is_folded=True)


def _graph_section(outcome: Outcome) -> Iterator[Section]:
    """Yield the changed part of what requires what, drawn if that can be read."""
    before, after, left_out = compared(outcome, _MAX_NODES)
    graph = joined(before, after)
    if not graph.nodes:
        return
    head = [LEGEND]
    if left_out:
        head.append(f"{left_out} more that changed aren't shown.")
    head.append("")
    rows = []
    drawing = mermaid(graph)
    if len(drawing) <= MAX_COMMENT:
        head += ["```mermaid", drawing.rstrip("\n"), "```"]
    else:
        rows = [f"- {_escaped(line)}" for line in listed(graph).splitlines()]
    yield Section("What requires what", head, rows, is_folded=True)


def _code_sections(found: Sequence[DistributionCode]) -> Iterator[Section]:
    """Yield what changed in the files of each distribution, and which others have changed ones."""
    for code in found[:_MAX_CODE_SECTIONS]:
        blocks = list(code_blocks(code))
        rows = [*blocks[:1], *(f"\n{block}" for block in blocks[1:])]
        yield Section(_escaped(shortened(heading(code))), (), rows, is_folded=True, gives_way=True)
    rows = [f"- {_escaped(shortened(heading(code)))}" for code in found[_MAX_CODE_SECTIONS:]]
    if rows:
        yield Section("Further code", (), rows, is_folded=True, gives_way=True)


def table_head(*titles: str) -> tuple[str, str]:
    """Return what a table has above its rows."""
    return f"| {' | '.join(titles)} |", "|" + " --- |" * len(titles)


def _cells(change: Change) -> tuple[str, str]:
    """Return what changed, with its values, and whose it is."""
    values = [
        f"{sign} {as_code(one_line(value))}"
        for sign, value in (("−", change.before), ("+", change.after))
        if value is not None and not isinstance(value, dict)
    ]
    owner = "the lock" if change.distribution is None else as_code(change.distribution)
    if change.via:
        owner += f"<br>via {as_code(via_text(change))}"
    return "<br>".join([sentence(change.summary), *values]), owner


def table_row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def sentence(text: str) -> str:
    """Return a sentence; what stands in backticks in it becomes code."""
    return "".join(
        as_code(part) if is_code else _escaped(part) for part, is_code in quoted_parts(text)
    )


def as_code(text: Value) -> str:
    shown = printable(str(text))
    if len(shown) > _MAX_VALUE:
        shown = shown[:_MAX_VALUE] + "…"
    return f"<code>{_referenced(_parted(_ADDRESSES, shown))}</code>"


def _escaped(text: str) -> str:
    return _referenced(_parted(_ADDRESSES, _parted(_REFERENCES, printable(text))))


def _parted(starts: re.Pattern[str], text: str) -> str:
    """Put a character that isn't seen where a link would begin.

    Forges look for links in the rendered text, so that a character reference doesn't help.
    """
    return starts.sub("\\g<0>\u200b", text)


def _referenced(text: str) -> str:
    return "".join(each if each in _PLAIN else f"&#{ord(each)};" for each in text)
