"""The outcome as lines and as annotations."""

from __future__ import annotations

import pytest

from coral_lock.author.check.report import CheckReport, annotation_lines, summary_line, text_lines
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


@pytest.mark.parametrize(
    ("where", "properties"),
    [
        ("a/b.py:3:7", "file=a/b.py,line=3,col=7,"),
        ("a/b.py:3", "file=a/b.py,line=3,"),
        ("a/b.py", "file=a/b.py,"),
        ("pyproject.toml", "file=pyproject.toml,"),
        ("odd,name: 100%.yaml:1:2", "file=odd%2Cname%3A 100%25.yaml,line=1,col=2,"),
    ],
)
def test_a_place_in_a_file_becomes_properties(where: str, properties: str) -> None:
    (line,) = annotation_lines([finding(where)])
    assert line == f"::error {properties}title=manifest-stale::it is so%0Ahint: mend it"


@pytest.mark.parametrize("where", ["acme.plugins:register", "CORAL_PLATFORM"])
def test_another_place_stays_in_the_message(where: str) -> None:
    (line,) = annotation_lines([finding(where)])
    assert line == f"::error title=manifest-stale::it is so%0Awhere: {where}%0Ahint: mend it"


def test_a_message_is_escaped() -> None:
    (line,) = annotation_lines([finding(None, "50% of\r\na, b: c", WARNING)])
    assert line == "::warning title=manifest-stale::50%25 of%0D%0Aa, b: c%0Ahint: mend it"


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
    assert summary_line(report.replace(findings=())) == (
        "acme 1.0 (project): 2 plugins, no findings"
    )
