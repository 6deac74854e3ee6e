"""The findings of a place and of its targets, put together."""

from __future__ import annotations

from coral_lock.derive.locking import gathered_findings
from coral_lock.derive.opening import Opened
from coral_lock.finding import ERROR, WARNING, Finding
from coral_lock.locking.discovery import Evidence


def finding(subject: str, severity: str = WARNING) -> Finding:
    return Finding(
        code="conflict", severity=severity, subject=subject, summary=f"`{subject}` is odd"
    )


def summaries(opened: Opened, found: dict[str, tuple[Finding, ...]]) -> list[str]:
    return [each.summary for each in gathered_findings(opened, found)]


PLACE = Opened(targets=(), inventories={}, evidence=Evidence(), findings=(finding("place", ERROR),))


def test_what_all_targets_have_stands_once() -> None:
    a, b, c = map(finding, "abc")
    found: dict[str, tuple[Finding, ...]] = {"x": (b, a), "y": (a, c), "z": (a, c)}
    assert summaries(PLACE, found) == [
        "`place` is odd",
        "`a` is odd",
        "`b` is odd (target `x`)",
        "`c` is odd (target `y`)",
        "`c` is odd (target `z`)",
    ]


def test_a_single_target_is_not_named() -> None:
    a = finding("a")
    assert summaries(PLACE, {"x": (a, a)}) == ["`place` is odd", "`a` is odd"]
    assert summaries(PLACE, {"": (a,)}) == ["`place` is odd", "`a` is odd"]
    assert summaries(PLACE, {"": (*PLACE.findings, a)}) == ["`place` is odd", "`a` is odd"]
    assert summaries(PLACE, {}) == ["`place` is odd"]
