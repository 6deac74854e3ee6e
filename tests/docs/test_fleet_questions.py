"""The questions of `docs/fleet-questions.md`, asked of a history whose answers are known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

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
    "edge-0006": [(4, _accepted(2) | _plugin("2.0", 5_000))],
}


def _at(hours: float) -> datetime:
    """Return when a start began whose report was finished so many hours before noon."""
    return (NOW - timedelta(hours=hours, seconds=1)).replace(tzinfo=None)


DAY_25, DAY_26 = _at(12).date(), _at(6).date()

ANSWERS: dict[str, list[tuple[Any, ...]]] = {
    "Which lock runs where?": [
        (LOCKS[2][:12], "stable", 2, 3, 1),
        (LOCKS[1][:12], "stable", 1, 2, 0),
        (UNSIGNED[:12], None, None, 1, 0),
    ],
    "When did this device leave the lock?": [
        (_at(12), "refused", "digest-mismatch", "my-package"),
    ],
    "Which plugin fails most?": [("patches:zoom", "2.0", 2, 1)],
    "How long did a roll-out take?": [(3, _at(10), timedelta(hours=2), timedelta(hours=6))],
    "Who rolled back, when and why?": [("edge-0003", _at(6), "stable", 1, ROLLBACK)],
    "Which devices run a lock that nobody signed?": [
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


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A connection in which the views of the page are there."""
    work = WorkingDirectory(directory=tmp_path_factory.mktemp("questions"))
    reports = [
        device_report(
            device,
            ago=timedelta(hours=hours),
            changes=changes | {"sequence": number, "boot": f"{device} {number}"},
        )
        for device, starts in HISTORY.items()
        for number, (hours, changes) in enumerate(starts, 1)
    ]
    work.write("reports.ndjson", ndjson(*reports))
    work.coral("fleet", "load", "reports.ndjson", "--into", "history").require(0)
    connection = duckdb.connect()
    for heading, views in _questions():
        if heading == "The tables":
            place = str(work.directory / "history")
            connection.execute(re.sub(r"'history(?=/)", f"'{place}", views))
    return connection


@pytest.mark.parametrize("question", ANSWERS)
def test_the_answer_to_a_question(history: Any, question: str) -> None:
    query = dict(_questions())[question]
    assert history.execute(query).fetchall() == ANSWERS[question]


def test_every_question_of_the_page_is_asked() -> None:
    assert [heading for heading, _ in _questions()] == ["The tables", *ANSWERS]
    assert len(ANSWERS) == 10


def test_the_page_names_every_column(history: Any) -> None:
    page = Path(REPOSITORY, "docs", "fleet-questions.md").read_text(encoding="utf-8")
    for table in ("reports", "findings", "plugins"):
        columns = [row[0] for row in history.execute(f"DESCRIBE {table}").fetchall()]
        assert [name for name in columns if f"`{name}`" not in page] == []
