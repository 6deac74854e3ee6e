"""One page for people who would rather look: changes, findings, and what requires what.

It needs nothing from elsewhere, and its policy (https://www.w3.org/TR/CSP3/) lets a browser load
nothing, and run nothing but the one script in it. What locks, wheels and findings say is untrusted
text: jinja2 escapes it.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from coral_lock.canonical_json import Value
from coral_lock.difference.model import LEVELS, Risk
from coral_lock.difference.text import one_line
from coral_lock.errors import InputError, fitted, printable, shortened
from coral_lock.finding import ERROR, WARNING, Finding
from coral_lock.messages import counted_findings
from coral_lock.rendering.code import diff_lines, file_line, heading, note_lines
from coral_lock.rendering.graph import LEGEND, Graph, compared, listed, svg
from coral_lock.rendering.outcome import Outcome, change_positions, counts_of, quoted_parts

_DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "page")
_MAX_VALUE = 400
_MAX_NODES = 80
_NO_LEVEL = "none"
_HEADINGS = {
    ERROR: "Errors",
    WARNING: "Warnings",
    **{level: f"{level.capitalize()} risk" for level in LEVELS},
    _NO_LEVEL: "Without a risk",
}
"""What the level of an item is called, in the order of the page."""

_CLASSES = {"+": "added", "-": "removed", "@": "hunk"}

_KINDS = {
    "finding": "findings",
    "plugin": "plugins and their distributions",
    "closure": "what they require",
    "lock": "the whole lock",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Item:
    """A finding or a change.

    Attributes:
        level: a key of `_HEADINGS`.
        kind: a key of `_KINDS`.
        summary: a sentence, in which names stand in backticks.
        details: what else is known by what it is: a text, or texts by what they are.
        risks: the risks of a change.
    """

    level: str
    kind: str
    summary: str
    details: Mapping[str, str | Mapping[str, str]]
    risks: tuple[Risk, ...] = ()


def render_html(outcome: Outcome) -> str:
    """Return changes and findings as one HTML page.

    Raises:
        InputError: jinja2 isn't installed.
    """
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError:
        raise InputError(
            "a page is made with jinja2, which isn't installed",
            expected="coral-lock with the extra `html`",
            hint="`pip install 'coral-lock[html]'`, or `--output-format markdown`",
        ) from None

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style, script = page_part("style.css"), page_part("filters.js")
    items = [*map(_of_finding, outcome.findings or ()), *_of_changes(outcome)]
    graphs, left_out = _graphs(outcome)
    return environment.from_string(page_part("page.html.jinja")).render(
        title=_title(outcome),
        headline=_headline(outcome),
        facts=_facts(outcome),
        policy=policy_of(style, script),
        style=style,
        script=script,
        items=items,
        headings=_HEADINGS,
        levels=_options((item.level for item in items), _HEADINGS),
        kinds=_options((item.kind for item in items), _KINDS),
        code=outcome.code or (),
        heading=heading,
        note_lines=note_lines,
        file_line=file_line,
        diff_lines=diff_lines,
        classes=_CLASSES,
        graphs=graphs,
        listed=listed,
        svg=svg,
        left_out=left_out,
        legend=LEGEND,
        printable=printable,
        parts=lambda text: quoted_parts(fitted(printable(text))),
    )


def page_part(name: str) -> str:
    """Return the text of a file that the page is made of."""
    with open(os.path.join(_DIRECTORY, name), encoding="utf-8") as file:
        return file.read()


def _shown(value: Value) -> str:
    """Return a value as text on one line that isn't too long."""
    return shortened(printable(one_line(value)), _MAX_VALUE)


def policy_of(style: str, script: str) -> str:
    """Return the policy of a page that loads nothing, and runs nothing but its one script."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    """Return what a policy calls the content of an element."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _title(outcome: Outcome) -> str:
    if outcome.changes is None:
        return "Findings"
    name = f"`{shortened(outcome.locks[1][1], _MAX_VALUE)}`" if outcome.locks else "the lock"
    return f"Changes of {name}"


def _headline(outcome: Outcome) -> str:
    sentences = [] if outcome.changes is None else [counts_of(outcome)]
    if outcome.findings is not None:
        sentences.insert(0, f"{counted_findings(outcome.findings) or 'No findings'}.")
    return " ".join(sentences)


def _facts(outcome: Outcome) -> dict[str, str]:
    """Return what the outcome says in a word: which locks, for which target."""
    return {
        name: _shown(value)
        for name, value in outcome.document.items()
        if isinstance(value, (str, bool)) and name != "format_version"
    }


def _of_finding(finding: Finding) -> _Item:
    details = {name: shortened(printable(value)) for name, value in finding.details().items()}
    return _Item(
        level=finding.severity,
        kind="finding",
        summary=finding.summary,
        details={"code": finding.code, **details},
    )


def _of_changes(outcome: Outcome) -> Iterator[_Item]:
    for change, position in change_positions(outcome):
        details: dict[str, str | Mapping[str, str]] = {}
        for name, value in (("before", change.before), ("after", change.after)):
            if isinstance(value, dict):
                details[name] = {_shown(key): _shown(item) for key, item in value.items() if item}
            elif value is not None:
                details[name] = _shown(value)
        if change.distribution is not None:
            details["of"] = _shown(change.distribution)
        if change.via:
            more = change.via_count - len(change.via)
            via = [*map(_shown, change.via), *([f"{more} more"] if more else [])]
            details["via"] = ", ".join(via)
        if position is not None:
            details["where"] = f"{printable(position.file)}:{position.line}"
        yield _Item(
            level=change.level or _NO_LEVEL,
            kind="lock" if change.distribution is None else "closure" if change.via else "plugin",
            summary=change.summary,
            details=details,
            risks=change.risks,
        )


def _options(values: Iterable[str], labels: Mapping[str, str]) -> list[tuple[str, str, int]]:
    """Return what can be chosen of what there is, in the order of the labels: the value, its
    label, and how often it is there."""
    counts = Counter(values)
    return [(value, label, counts[value]) for value, label in labels.items() if counts[value]]


def _graphs(outcome: Outcome) -> tuple[dict[str, Graph], int]:
    """Return the changed part of what requires what, before and after, and what isn't in it."""
    before, after, left_out = compared(outcome, _MAX_NODES)
    if not before.nodes and not after.nodes:
        return {}, 0
    return {"Before": before, "After": after}, left_out
