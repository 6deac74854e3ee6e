"""GitLab's code quality report, which merge requests show.

https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from coral_lock.canonical_json import Value, write
from coral_lock.difference.text import sentence_of
from coral_lock.errors import printable
from coral_lock.finding import ERROR
from coral_lock.rendering.outcome import Outcome, Position, change_positions, position_of

_SEVERITIES = {"high": "critical", "medium": "major", "low": "minor"}
_ANYWHERE = "coral.lock"


def render_gitlab(outcome: Outcome) -> str:
    """Return findings and changes as a JSON array of issues.

    Fingerprints hold no line, so an issue stays the same one when lines move.
    """
    return write(list(_issues(outcome)))


def _issues(outcome: Outcome) -> Iterator[Value]:
    seen: dict[str, int] = {}

    def issue(
        code: str, text: str, severity: str, position: Position | None, *identity: Value
    ) -> Value:
        known = write([code, *identity])
        number = seen[known] = seen.get(known, 0) + 1
        fingerprint = hashlib.sha256(f"{known}{number}".encode()).hexdigest()
        return {
            "description": printable(text),
            "check_name": code,
            "fingerprint": fingerprint,
            "severity": severity,
            "location": {
                "path": position.file if position else _ANYWHERE,
                "lines": {"begin": (position and position.line) or 1},
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
