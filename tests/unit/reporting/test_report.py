"""The document conforms to its schema whatever it is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_lock import __version__
from coral_lock.canonical_json import write
from coral_lock.finding import Finding
from coral_lock.lockfile.entries import HostPackage
from coral_lock.reporting import DeviceReport, ReportWriter
from coral_lock.reporting.collection import aged, latest_report, one_line, parse_report
from coral_lock.reporting.spool import MAX_REPORT_BYTES
from coral_lock.signing.accepted import Acceptance
from coral_lock.start.report import PluginOutcome, VerifiedLock
from tests.unit.test_schemas import validator

FACTS: Mapping[str, Any] = {
    "device": "gate-7",
    "boot": "179ab66a-273e-46f1-8b2a-2a4905563086",
    "sequence": 7,
    "started": "2026-01-31T10:00:00.000000Z",
    "finished": "2026-01-31T10:00:01.000000Z",
    "uptime_s": 100.5,
    "command": "init",
    "outcome": "started",
    "exit_code": 0,
    "lock_path": "coral.lock",
    "sha256": "0" * 64,
    "integrity": "imports",
    "target": None,
    "accepted": None,
    "python": "3.11.7",
    "platform": "manylinux_2_36_x86_64",
    "core": None,
    "inference": None,
    "plugins": (),
    "findings": (),
    "mask": lambda text, _: text,
}

HOSTILE = st.text(st.characters(codec=None, exclude_categories=()), max_size=50)


def report_of(**changes: Any) -> DeviceReport:
    return DeviceReport(**{**FACTS, **changes})


def document_of(**changes: Any) -> Any:
    """Return the document of a report, valid and as a reader of JSON has it."""
    text = write(report_of(**changes).to_dict())
    document = json.loads(text.encode("utf-8"))
    validator("device-report").validate(document)
    assert parse_report(text.encode("utf-8")) == document
    return document


def test_the_document() -> None:
    document = document_of()
    assert document == {
        "device_report_version": "1.0",
        **{key: FACTS[key] for key in ("device", "boot", "sequence", "started", "finished")},
        "uptime_s": 100.5,
        "age_s": None,
        "tool_version": __version__,
        "command": "init",
        "outcome": "started",
        "exit_code": 0,
        "lock": {
            "path": "coral.lock",
            "sha256": "0" * 64,
            "integrity": "imports",
            "target": None,
            "accepted": None,
        },
        "machine": {"python": "3.11.7", "platform": "manylinux_2_36_x86_64"},
        "host": {"core": None, "inference": None},
        "plugins": [],
        "findings": [],
        "findings_total": {"error": 0, "warning": 0},
        "uncovered_children": 0,
    }


@given(HOSTILE, st.integers(0, 5000))
def test_no_text_makes_it_invalid(text: str, times: int) -> None:
    text = text * times
    plugin = PluginOutcome(
        id=text, status="failed", distribution=text, version=text, reason=text, duration_us=1 << 60
    )
    finding = Finding(
        code="activation-failed", subject=text, summary=text, expected=text, where=text
    )
    document = document_of(
        lock_path=text, target=text, platform=text, plugins=(plugin,), findings=(finding,)
    )
    assert not any("\ud800" <= letter <= "\udfff" for letter in json.dumps(document))
    assert document["plugins"][0]["duration_us"] == (1 << 53) - 1


def test_half_of_a_pair_is_shown_and_what_is_long_is_cut() -> None:
    document = document_of(lock_path="a\udc80b", target="x" * 300)
    assert document["lock"]["path"] == r"a\udc80b"
    assert document["lock"]["target"] == "x" * 255 + "…"


def _finding(number: int, **changes: Any) -> Finding:
    fields = {"code": "digest-mismatch", "subject": f"s{number:06d}", "summary": "x"}
    return Finding(**{**fields, **changes})


def test_a_thousand_findings_are_kept_errors_first() -> None:
    many = [_finding(n, severity="warning") for n in range(3000)] + [
        _finding(n) for n in range(900)
    ]
    many += [_finding(n, code="uncovered-child", severity="warning") for n in range(5)]
    document = document_of(findings=tuple(many))
    kept = document["findings"]
    assert len(kept) == 1000
    assert [each["severity"] for each in kept] == ["error"] * 900 + ["warning"] * 100
    assert document["findings_total"] == {"error": 900, "warning": 3005}
    assert document["uncovered_children"] == 5


def test_long_findings_and_reasons_are_bounded_together() -> None:
    long = "x" * 4000
    findings = tuple(_finding(n, summary=long, expected=long, hint=long) for n in range(400))
    plugin = PluginOutcome(id="p", status="failed", distribution="p", version="1", reason=long)
    text = write(report_of(findings=findings, plugins=(plugin,) * 300).to_dict())
    document = json.loads(text)
    validator("device-report").validate(document)
    assert len(text) < 4 << 20
    assert 80 < len(document["findings"]) < 400
    assert document["findings_total"]["error"] == 400
    assert len(document["plugins"]) == 300


@pytest.mark.parametrize("text", ["\0", '"', "\U0001f4f7", "x"])
def test_no_report_is_larger_than_what_is_read(text: str) -> None:
    long = text * 5000
    plugin = PluginOutcome(id=long, status="failed", distribution=long, version=long, reason=long)
    finding = Finding(
        code="activation-failed", subject=long, summary=long, expected=long, where=long, hint=long
    )
    report = report_of(
        lock_path=long, target=long, plugins=(plugin,) * 10_000, findings=(finding,) * 1000
    )
    content = write(report.to_dict()).encode("utf-8")
    validator("device-report").validate(json.loads(content))
    assert 1 << 20 < len(content) <= MAX_REPORT_BYTES


@pytest.mark.parametrize("code", ["activation-failed", "digest-mismatch"])
def test_words_of_plugins_are_masked_as_such(code: str) -> None:
    asked: dict[str, bool] = {}

    def mask(text: str, is_of_plugin: bool) -> str:
        asked[text] = is_of_plugin
        return "***"

    plugin = PluginOutcome(id="p", status="failed", distribution="p", version="1", reason="why")
    finding = Finding(code=code, subject="p", summary="what", hint="how")
    document = document_of(plugins=(plugin,), findings=(finding,), mask=mask)
    assert document["plugins"][0]["reason"] == document["findings"][0]["summary"] == "***"
    assert asked["why"] is True
    assert asked["what"] is asked["how"] is (code == "activation-failed")
    assert document["findings"][0]["code"] == code


def test_what_is_unfinished_tells_what_is_known(tmp_path: Path) -> None:
    writer = ReportWriter("init", "coral.lock", "imports", state_directory=str(tmp_path))
    accepted = Acceptance(channel="stable", serial=7, signers=("a" * 64,), rollback="broken")
    lock = VerifiedLock(
        path="coral.lock", sha256="0" * 64, integrity="imports", target="edge", accepted=accepted
    )
    writer.begin(lock, (HostPackage(distribution="coral-inference", version="0.0.4"), None))
    assert writer.problems == ()
    document: Any = latest_report(str(tmp_path))
    validator("device-report").validate(document)
    assert document["outcome"] == "unfinished"
    assert document["lock"] == {
        "path": "coral.lock",
        "sha256": "0" * 64,
        "integrity": "imports",
        "target": "edge",
        "accepted": {
            "channel": "stable",
            "serial": 7,
            "signers": ["a" * 64],
            "rollback": "broken",
        },
    }
    assert document["host"] == {
        "core": {"distribution": "coral-inference", "version": "0.0.4"},
        "inference": None,
    }


def test_a_report_is_one_line() -> None:
    document = document_of(lock_path="  a\n\x1b[31m  b  ")
    line = one_line(document)
    assert json.loads(line) == document
    assert line.count("\n") == 1
    assert "\x1b" not in line


@pytest.mark.parametrize(
    ("boot", "now", "age"),
    [
        (FACTS["boot"], 160.75, 60.25),
        (FACTS["boot"], 90.0, 0.0),
        ("other", 160.75, None),
        (None, 160.75, None),
        (FACTS["boot"], None, None),
    ],
)
def test_the_age_is_that_of_the_same_boot(boot: Any, now: Any, age: Any) -> None:
    assert aged(document_of(), boot, now)["age_s"] == age
