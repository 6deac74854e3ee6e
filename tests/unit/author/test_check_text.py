"""The outcome as lines and as annotations."""

from __future__ import annotations

from dataclasses import replace

from coral_lock.author.check import CheckReport, summary_line, text_lines
from coral_lock.finding import ERROR, WARNING, Finding
from tests.unit.author.check_subjects import subject


def finding(where: str | None, summary: str = "it is so", severity: str = ERROR) -> Finding:
    return Finding(
        code="manifest-stale",
        severity=severity,
        subject="acme",
        summary=summary,
        where=where,
        hint="mend it",
    )


def test_the_text_and_the_summary() -> None:
    report = CheckReport(
        subject=subject(),
        plugins=("patches:a", "patches:b"),
        findings=(finding("a.py:1:2"), finding(None, severity=WARNING)),
    )
    assert list(text_lines(report)) == [
        "error[manifest-stale]: it is so",
        "  where: a.py:1:2",
        "  hint: mend it",
        "warning[manifest-stale]: it is so",
        "  hint: mend it",
    ]
    assert summary_line(report) == "acme 1.0 (project): 2 plugins, 1 error, 1 warning"
    assert summary_line(replace(report, findings=())) == (
        "acme 1.0 (project): 2 plugins, no findings"
    )
