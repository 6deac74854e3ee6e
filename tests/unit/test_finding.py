"""Findings, their order and their exit codes."""

from __future__ import annotations

import pytest

from coral_lock.errors import DOES_NOT_HOLD, HOLDS, INTEGRITY
from coral_lock.finding import (
    CODES,
    ERROR,
    WARNING,
    Finding,
    exit_code,
    has_errors,
    sorted_findings,
)


def finding(code: str, severity: str = ERROR, subject: str = "acme", **details: str) -> Finding:
    return Finding(code=code, severity=severity, subject=subject, summary="it is so", **details)


def test_an_unknown_code_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown finding code `digest-missmatch`"):
        finding("digest-missmatch")


def test_every_code_has_a_meaning_and_the_table_is_sorted() -> None:
    assert list(CODES) == sorted(CODES)
    assert all(each.meaning.endswith(".") for each in CODES.values())
    assert {code for code, each in CODES.items() if each.breaks_plugin} == {
        "invalid-requirement",
        "manifest-invalid",
        "plugin-broken",
        "spec-unknown",
    }


def test_a_finding_has_the_severity_of_its_code_unless_it_is_given() -> None:
    given = {"subject": "acme", "summary": "it is so"}
    assert Finding(code="version-drift", **given).severity == ERROR
    assert Finding(code="unpinned", **given).severity == WARNING
    assert Finding(code="unpinned", severity=ERROR, **given).severity == ERROR


def test_errors_come_first_then_subject_code_and_place() -> None:
    expected = [
        finding("version-drift", subject="a"),
        finding("digest-mismatch", subject="b"),
        finding("version-drift", subject="b", where="m"),
        finding("version-drift", subject="b", where="n"),
        finding("unlocked-plugin", severity=WARNING, subject="a"),
    ]
    assert sorted_findings(reversed(expected)) == tuple(expected)


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([], HOLDS),
        ([finding("digest-mismatch", WARNING)], HOLDS),
        ([finding("version-drift"), finding("digest-mismatch", WARNING)], DOES_NOT_HOLD),
        ([finding("version-drift"), finding("digest-mismatch")], INTEGRITY),
    ],
)
def test_exit_codes(findings: list[Finding], code: int) -> None:
    assert exit_code(findings) == code
    assert has_errors(findings) == (code != HOLDS)


def test_absent_details_are_null() -> None:
    assert finding("version-drift", expected="1.0").to_dict() == {
        "code": "version-drift",
        "severity": "error",
        "subject": "acme",
        "summary": "it is so",
        "expected": "1.0",
        "found": None,
        "where": None,
        "hint": None,
    }
