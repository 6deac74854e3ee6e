"""GitLab's code quality report, which merge requests show.

https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from __future__ import annotations

from coral_lock.canonical_json import Value, write
from coral_lock.difference.model import Change
from coral_lock.difference.text import sentence_of
from coral_lock.errors import fitted, printable
from coral_lock.finding import ERROR, Finding
from coral_lock.rendering.outcome import Outcome, Position, results

_SEVERITIES = {"high": "critical", "medium": "major", "low": "minor"}
_ANYWHERE = "coral.lock"
"""The file of what is in none of the project's: an issue has one, by a relative path."""


def render_gitlab(outcome: Outcome) -> str:
    """Return findings and changes as a JSON array of issues.

    Fingerprints hold no line, so an issue stays the same one when lines move.
    """
    return write([_issue(*each) for each in results(outcome)])


def _issue(found: Finding | Change, position: Position | None, fingerprint: str) -> Value:
    if isinstance(found, Finding):
        severity = "critical" if found.severity == ERROR else "minor"
        text = found.summary + (f"; hint: {found.hint}" if found.hint else "")
    else:
        severity, text = _SEVERITIES.get(found.level or "", "info"), sentence_of(found)
    if position is None or not position.is_inside:
        position = Position(file=_ANYWHERE)
    return {
        "description": fitted(printable(text)),
        "check_name": found.code,
        "fingerprint": fingerprint,
        "severity": severity,
        "location": {
            "path": position.path.encode("utf-8", "surrogateescape").decode("utf-8", "replace"),
            "lines": {"begin": position.line or 1},
        },
    }
