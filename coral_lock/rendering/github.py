"""Workflow commands and the summary of a job, which GitHub shows.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from coral_lock.difference.model import Change
from coral_lock.difference.text import one_line
from coral_lock.errors import fitted, printable
from coral_lock.finding import Finding
from coral_lock.rendering.markdown import render_markdown
from coral_lock.rendering.outcome import Outcome, Position, results

_MAX_OF_A_KIND = 10
"""GitHub shows no more annotations of a kind for a step, and drops the others in silence."""

MAX_SUMMARY = 1024 * 1024 - 1
"""The bytes of a step's summary; GitHub refuses all of one that isn't below 1,024 KiB."""

_KINDS = {"high": "error", "medium": "warning"}


def render_github(outcome: Outcome) -> str:
    """Return findings and changes as workflow commands, the worst of each kind.

    What isn't shown of a kind is counted by a line that is no command.
    """
    shown: dict[str, int] = {}
    lines = []
    for found, position, _ in results(outcome):
        kind, line = _command(found, position)
        shown[kind] = shown.get(kind, 0) + 1
        if shown[kind] <= _MAX_OF_A_KIND:
            lines.append(line)
    for kind, count in shown.items():
        if count > _MAX_OF_A_KIND:
            lines.append(f"{count - _MAX_OF_A_KIND} more {kind}s aren't shown")
    return "".join(f"{printable(line)}\n" for line in lines)


def render_summary(outcome: Outcome, written: int) -> str:
    """Return findings and changes as Markdown that a step's summary has room for.

    Args:
        outcome: what a command found.
        written: the bytes that the summary has already.
    """
    room = MAX_SUMMARY - written
    text = render_markdown(outcome, room)
    return text if len(text.encode()) <= room else ""


def _command(found: Finding | Change, position: Position | None) -> tuple[str, str]:
    """Return the kind of the command for a finding or a change, and the command."""
    lines = [found.summary]
    if isinstance(found, Finding):
        kind, details = found.severity, found.details()
        if position:
            del details["where"]
        lines += [f"{name}: {value}" for name, value in details.items()]
    else:
        kind = _KINDS.get(found.level or "", "notice")
        for name, value in (("before", found.before), ("after", found.after)):
            if value is not None:
                lines.append(f"{name}: {one_line(value)}")
        lines += [f"risk: {risk.sentence} ({risk.code})" for risk in found.risks]
    properties = {"title": found.code}
    if position is not None:
        places = {"file": position.file, "line": position.line, "col": position.column}
        properties = {**{key: str(value) for key, value in places.items() if value}, **properties}
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return kind, f"::{kind} {listed}::{_data(fitted(chr(10).join(lines)))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
