"""GitLab's code quality report, which merge requests show.

https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from __future__ import annotations

from collections.abc import Iterator

from coral_lock.canonical_json import Value, write
from coral_lock.difference.text import sentence_of
from coral_lock.errors import fitted, printable
from coral_lock.finding import ERROR
from coral_lock.rendering.outcome import (
    Fingerprints,
    Outcome,
    Position,
    change_positions,
    position_of,
)

_SEVERITIES = {"high": "critical", "medium": "major", "low": "minor"}
_ANYWHERE = "coral.lock"
"""The file of what is in none of the project's: an issue has one, by a relative path."""


def render_gitlab(outcome: Outcome) -> str:
    """Return findings and changes as a JSON array of issues.

    Fingerprints hold no line, so an issue stays the same one when lines move.
    """
    return write(list(_issues(outcome)))


def _issues(outcome: Outcome) -> Iterator[Value]:
    fingerprints = Fingerprints()

    def issue(
        code: str, text: str, severity: str, position: Position | None, *identity: Value
    ) -> Value:
        if position is None or not position.is_inside:
            position = Position(file=_ANYWHERE)
        return {
            "description": fitted(printable(text)),
            "check_name": code,
            "fingerprint": fingerprints.of(code, *identity),
            "severity": severity,
            "location": {
                "path": position.path.encode("utf-8", "surrogateescape").decode("utf-8", "replace"),
                "lines": {"begin": position.line or 1},
            },
        }

    for finding in outcome.findings or ():
        severity = "critical" if finding.severity == ERROR else "minor"
        text = finding.summary + (f"; hint: {finding.hint}" if finding.hint else "")
        position = position_of(finding.where)
        yield issue(finding.code, text, severity, position, finding.subject, finding.summary)
    for change, position in change_positions(outcome):
        severity = _SEVERITIES.get(change.level or "", "info")
        values = change.path, change.before, change.after
        yield issue(change.code, sentence_of(change), severity, position, *values)
