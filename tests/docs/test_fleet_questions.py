"""The questions of `docs/fleet-questions.md`, asked of a history whose answers are known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from coral_lock.fleet.states import FleetWords
from coral_lock.fleet.summary import summarize
from tests.docs.pages import blocks_of
from tests.support.device_reports import NOW, device_report, ndjson, refusal
from tests.support.in_process import WorkingDirectory
from tests.support.wheelhouse import REPOSITORY

duckdb = pytest.importorskip("duckdb", reason="the extra `fleet` isn't installed")

LOCKS = {serial: f"{serial:x}" * 64 for serial in (1, 2)}
UNSIGNED = "a" * 64
ROLLBACK = "2 loses frames"


def _accepted(serial: int, rollback: str | None = None) -> dict[str, Any]:
    accepted = {"channel": "stable", "serial": serial, "signers": [], "rollback": rollback}
    return {"lock": {"sha256": LOCKS[serial], "accepted": accepted}}


def _plugin(version: str, duration_us: int, status: str = "activated") -> dict[str, Any]:
    plugin = {
        "id": "patches:zoom",
        "status": status,
        "distribution": "acme-zoom",
        "version": version,
        "reason": None,
        "duration_us": duration_us,
    }
    return {"plugins": [plugin]}


FAILS = {"outcome": "failed", "exit_code": 1, **_plugin("2.0", 100, "failed")}
FAILS |= {"findings": refusal("activation-failed", "patches:zoom")["findings"]}
FAILS |= {"findings_total": {"error": 1}}

HISTORY: dict[str, list[tuple[float, dict[str, Any]]]] = {
    # Hours before noon of November 26, and what was different.
    "edge-0001": [
        (50, _accepted(1) | _plugin("1.0", 1_000)),
        (10, _accepted(2) | _plugin("2.0", 5_000)),
    ],
    "edge-0002": [
        (49, _accepted(1) | _plugin("1.0", 3_000)),
        (12, _accepted(2) | refusal()),
        (11, _accepted(2) | refusal("file-missing")),
    ],
    "edge-0003": [
        (48, _accepted(1) | _plugin("1.0", 2_000)),
        (9, _accepted(2) | FAILS),
        (8, _accepted(2) | _plugin("2.0", 5_000)),
        (7, _accepted(2) | FAILS),
        (6, _accepted(1, ROLLBACK) | _plugin("1.0", 2_000)),
    ],
    "edge-0004": [(47, _accepted(1) | _plugin("1.0", 2_000))],
    "edge-0005": [(5, {"lock": {"sha256": UNSIGNED}, "plugins": []})],
    "edge-0006": [
        (4, _accepted(2) | _plugin("2.0", 5_000)),
        # It doesn't insist on a signature any more, but its lock is known to have one.
        (3, {"lock": {"sha256": LOCKS[2]}, "plugins": []}),
    ],
}


def _at(hours: float) -> datetime:
    """Return when a start began whose report was finished so many hours before noon."""
    return (NOW - timedelta(hours=hours, seconds=1)).replace(tzinfo=None)


DAY_25, DAY_26 = _at(12).date(), _at(6).date()

ANSWERS: dict[str, list[tuple[Any, ...]]] = {
    "Which lock runs where?": [
        (LOCKS[1][:12], "stable", 1, 2, 0),
        (LOCKS[2][:12], "stable", 2, 2, 1),
        (LOCKS[2][:12], None, None, 1, 0),
        (UNSIGNED[:12], None, None, 1, 0),
    ],
    "When did this device leave the lock?": [
        (_at(12), "refused", "digest-mismatch", "my-package"),
    ],
    "Which plugin fails most?": [("patches:zoom", "2.0", 2, 1)],
    "How long did a roll-out take?": [(3, _at(10), timedelta(hours=2), timedelta(hours=6))],
    "Who rolled back, when and why?": [("edge-0003", _at(6), "stable", 1, ROLLBACK)],
    "Which devices run a lock that nobody has accepted?": [
        ("edge-0005", UNSIGNED[:12], "/opt/coral/coral.lock")
    ],
    "What deviated on each day?": [
        (DAY_25, "digest-mismatch", 1),
        (DAY_26, "activation-failed", 1),
        (DAY_26, "file-missing", 1),
    ],
    "Which devices come and go?": [("edge-0003", 2)],
    "Who has been silent since when?": [("edge-0004", _at(47), "started")],
    "Which plugins are slow to activate, and since which version?": [
        ("patches:zoom", "2.0", 3, 5.0),
        ("patches:zoom", "1.0", 5, 2.8),
    ],
}


def _questions() -> Iterator[tuple[str, str]]:
    """Yield the SQL of the page, each with the heading above it."""
    text = (REPOSITORY / "docs" / "fleet-questions.md").read_text(encoding="utf-8")
    lines = text.split("\n")
    for block in blocks_of(text):
        if block.language == "sql":
            above = [line for line in lines[: block.first_line] if line.startswith("## ")]
            yield above[-1].removeprefix("## "), block.text


def _history(directory: Path, *reports: dict[str, Any]) -> Any:
    """Load reports, and return a connection in which the views of the page are there."""
    work = WorkingDirectory(directory=directory)
    work.write("reports.ndjson", ndjson(*reports))
    work.coral("fleet", "load", "reports.ndjson", "--into", "history").require(0)
    connection = duckdb.connect()
    for heading, views in _questions():
        if heading == "The tables":
            place = str(work.directory / "history")
            connection.execute(re.sub(r"'history(?=/)", f"'{place}", views))
    return connection


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Any:
    reports = [
        device_report(
            device,
            ago=timedelta(hours=hours),
            changes=changes | {"sequence": number, "boot": f"{device} {number}"},
        )
        for device, starts in HISTORY.items()
        for number, (hours, changes) in enumerate(starts, 1)
    ]
    return _history(tmp_path_factory.mktemp("questions"), *reports)


@pytest.mark.parametrize("question", ANSWERS)
def test_the_answer_to_a_question(history: Any, question: str) -> None:
    query = dict(_questions())[question]
    assert history.execute(query).fetchall() == ANSWERS[question]


VERIFIED = {"command": "verify", "outcome": "holds"}
DEVIATES = refusal() | {"command": "verify", "outcome": "deviates"}
BEHIND = {"started": "1970-01-01T00:01:00.000000Z", "finished": None}
LASTS: dict[str, tuple[list[tuple[float, int, dict[str, Any]]], int]] = {
    # Hours ago, sequence and changes of each report; and the number of the one that counts.
    "refused-then-verified": ([(9, 4, {}), (8, 5, refusal()), (7, 6, VERIFIED)], 5),
    "verified-then-started": ([(9, 5, DEVIATES), (8, 6, {})], 6),
    "deviates-then-begun": ([(9, 5, DEVIATES), (8, 6, {"outcome": "unfinished"})], 5),
    "deviates-then-verified": ([(9, 5, DEVIATES), (8, 6, VERIFIED)], 6),
    "set-up-again": ([(9, 499, {}), (8, 500, refusal()), (7, 1, {}), (6, 2, {})], 2),
    "set-up-again-and-verified": ([(9, 500, refusal()), (8, 1, VERIFIED)], 1),
    "a-clock-that-is-behind": ([(9, 4, {}), (8, 5, {}), (7, 6, refusal() | BEHIND)], 6),
    "a-clock-that-was-put-back": ([(8, 5, {}), (8.05, 6, refusal())], 6),
}


def test_the_last_reports_are_those_that_summarize_counts(tmp_path: Path) -> None:
    reports = [
        device_report(
            device,
            ago=timedelta(hours=hours),
            changes={"sequence": sequence, "boot": f"{device} {sequence < 3} {hours}", **changes},
        )
        for device, (starts, _) in LASTS.items()
        for hours, sequence, changes in starts
    ]
    found = _history(tmp_path, *reports).execute("SELECT device, sequence FROM last_reports")
    expected = {device: sequence for device, (_, sequence) in LASTS.items()}
    assert dict(found.fetchall()) == expected
    fleet = FleetWords([str(tmp_path / "reports.ndjson")], None, NOW.timestamp())
    summary = summarize(fleet, now=NOW.timestamp(), stale_after=86_400)
    assert {each.device: each.word and each.word.sequence for each in summary.devices} == expected


def test_every_question_of_the_page_is_asked() -> None:
    assert [heading for heading, _ in _questions()] == ["The tables", *ANSWERS]
    assert len(ANSWERS) == 10


def test_the_page_names_every_column(history: Any) -> None:
    page = Path(REPOSITORY, "docs", "fleet-questions.md").read_text(encoding="utf-8")
    for table in ("reports", "findings", "plugins"):
        columns = [row[0] for row in history.execute(f"DESCRIBE {table}").fetchall()]
        assert [name for name in columns if f"`{name}`" not in page] == []
