"""`fleet load`: the rows are a set, whatever is loaded, how often, in which order, and how far."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from coral_lock.errors import InputError, WriteError
from coral_lock.fleet import history
from coral_lock.fleet.history import load_reports
from coral_lock.fleet.tables import TABLES
from coral_lock.safe_files import replace_durably
from tests.support.device_reports import NOW, device_report, ndjson, refusal
from tests.support.in_process import WorkingDirectory

duckdb = pytest.importorskip("duckdb", reason="the extra `fleet` isn't installed")

BEGUN = device_report(
    "edge-0002",
    changes={"outcome": "unfinished", "finished": None, "uptime_s": 1.0, "plugins": []}
    | {"findings": refusal("activation-failed")["findings"]},
)
ENDED = device_report(
    "edge-0002", changes=refusal() | {"started": BEGUN["started"], "uptime_s": 2.0}
)
YESTERDAY = device_report("edge-0001", ago=timedelta(hours=20), changes={"sequence": 6})
REPORTS = (device_report("edge-0001"), BEGUN, ENDED, YESTERDAY)


TABLES_OF_REPORTS = list(TABLES["reports"])


def _rows(directory: Path) -> dict[str, list[Any]]:
    """Return what each table holds."""
    found = {}
    for table in TABLES:
        files = str(directory / table / "*" / "*.parquet")
        query = f"SELECT * FROM read_parquet('{files}', hive_partitioning = true) ORDER BY ALL"
        found[table] = duckdb.execute(query).fetchall()
    return found


def _load(directory: Path, *reports: dict[str, Any]) -> tuple[int, int, tuple[str, ...]]:
    file = directory / "reports.ndjson"
    file.write_text(ndjson(*reports))
    loaded = load_reports([str(file)], str(directory / "history"), NOW.timestamp())
    return loaded.new, loaded.replaced, loaded.days


def test_what_is_loaded_again_or_in_another_order_is_there_once(tmp_path: Path) -> None:
    assert _load(tmp_path, *REPORTS) == (3, 0, ("2026-11-25", "2026-11-26"))
    rows = _rows(tmp_path / "history")
    assert {table: len(found) for table, found in rows.items()} == {
        "findings": 1,
        "plugins": 2,
        "reports": 3,
    }
    assert _load(tmp_path, *REPORTS) == (0, 0, ())
    for number, order in enumerate(itertools.permutations(REPORTS)):
        if number % 8:
            continue
        other = tmp_path / str(number)
        other.mkdir()
        for start in range(3):
            _load(other, *order[start : start + 2])
        assert _rows(other / "history") == rows


def test_a_report_that_was_written_again_takes_the_place_of_the_first(tmp_path: Path) -> None:
    assert _load(tmp_path, BEGUN) == (1, 0, ("2026-11-26",))
    assert _load(tmp_path, ENDED) == (1, 1, ("2026-11-26",))
    assert _load(tmp_path, BEGUN) == (0, 0, ())
    rows = _rows(tmp_path / "history")
    (report,), (finding,) = rows["reports"], rows["findings"]
    assert report[4] == finding[4]
    assert "digest-mismatch" in finding


def test_when_a_report_was_collected_makes_no_difference(tmp_path: Path) -> None:
    assert _load(tmp_path, device_report())[0] == 1
    assert _load(tmp_path, device_report() | {"age_s": None}) == (0, 0, ())


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of two reports."""
    directory = tmp_path_factory.mktemp("begun")
    _load(directory, BEGUN, YESTERDAY)
    return directory / "history"


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """The rows of that history after two more reports."""
    directory = tmp_path_factory.mktemp("ended")
    _load(directory, BEGUN, YESTERDAY, ENDED, device_report("edge-0003"))
    return _rows(directory / "history")


@pytest.mark.parametrize("stops_at", range(4))
def test_a_load_that_is_interrupted_is_finished_by_the_next(
    tmp_path: Path, begun: Path, ended: dict[str, list[Any]], stops_at: int
) -> None:
    shutil.copytree(begun, tmp_path / "history")
    calls = itertools.count()

    def replace(source: str, target: str) -> None:
        if next(calls) == stops_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), target)
        replace_durably(source, target)

    with patch.object(history, "replace_durably", replace), pytest.raises(WriteError) as caught:
        _load(tmp_path, ENDED, device_report("edge-0003"))
    assert caught.value.message == "the reports can't be kept: No space left on device"
    kept = tmp_path / "history"
    assert [each.name for each in kept.rglob(".load-*")] == []
    rows = _rows(kept)
    known = {row[4] for row in rows["reports"]}
    # Each report has its findings, whichever of the two versions is there.
    with_findings = {row[4] for row in rows["findings"]}
    assert {row[4] for row in rows["reports"] if row[0] == "edge-0002"} <= with_findings
    assert len(known) == len(rows["reports"])
    _load(tmp_path, ENDED, device_report("edge-0003"))
    assert _rows(kept) == ended


def test_the_command_says_what_is_new(tmp_path: Path) -> None:
    work = WorkingDirectory(directory=tmp_path)
    future = device_report(ago=timedelta(days=-9000)) | {"age_s": None}
    work.write("reports.ndjson", ndjson(*REPORTS) + "{\n" + ndjson(future))
    words = ("fleet", "load", "reports.ndjson", "--into", "it's kept")
    outcome = work.coral(*words).require(1)
    assert outcome.stdout == "4 reports read: 3 new, 0 replaced, in 2 days\n"
    assert outcome.stderr == (
        "warning: 2 reports can't be used: see what `coral-runtime fleet summarize` says of them\n"
    )
    outcome = work.coral(*words, "--output-format", "json").require(1)
    assert '"read": 4,\n  "new": 0,\n' in outcome.stdout


def test_text_of_any_kind_is_kept(tmp_path: Path) -> None:
    subject = "'; DROP TABLE staged_reports; --\x00\x1b\"\\u202e"
    changes = refusal(subject=subject) | {"lock": {"path": "half of \ud800"}}
    assert _load(tmp_path, device_report(changes=changes))[0] == 1
    rows = _rows(tmp_path / "history")
    assert subject in rows["findings"][0]
    assert "half of ?" in rows["reports"][0]


def test_a_directory_that_holds_something_else(tmp_path: Path) -> None:
    _load(tmp_path, device_report())
    (file,) = (tmp_path / "history" / "reports").rglob("*.parquet")
    file.write_bytes(b"not Parquet")
    with pytest.raises(InputError) as caught:
        _load(tmp_path, device_report(changes={"sequence": 8}))
    assert caught.value.message == "the reports can't be kept"
    assert file.read_bytes() == b"not Parquet"
    with pytest.raises(InputError) as caught:
        load_reports([str(tmp_path)], str(tmp_path / "a*"), NOW.timestamp())
    assert caught.value.message == "DuckDB takes the name of the directory for a pattern"
    with pytest.raises(WriteError) as written:
        load_reports([str(tmp_path)], str(file), NOW.timestamp())
    assert written.value.message == "the reports can't be kept: File exists"


def test_a_device_that_speaks_for_another_is_not_kept(tmp_path: Path) -> None:
    work = WorkingDirectory(directory=tmp_path)
    work.write("edge-0001.ndjson", ndjson(*REPORTS))
    work.write("hosts", "edge-0001\nedge-0002\n")
    words = ("fleet", "load", "edge-0001.ndjson", "--into", "history", "--inventory", "hosts")
    outcome = work.coral(*words).require(1)
    assert outcome.stdout == "2 reports read: 2 new, 0 replaced, in 2 days\n"
    assert {row[0] for row in _rows(tmp_path / "history")["reports"]} == {"edge-0001"}


def test_what_contradicts_another_report_is_not_kept(tmp_path: Path) -> None:
    work = WorkingDirectory(directory=tmp_path)
    first = device_report("edge-0003", ago=timedelta(hours=2), changes=refusal())
    other = device_report("edge-0003")
    # Of the contradicting one there are two copies, of which `summarize` names one.
    work.write("reports.ndjson", ndjson(first, other, first, *REPORTS))
    words = ("fleet", "load", "reports.ndjson", "--into", "history")
    outcome = work.coral(*words).require(1)
    assert outcome.stdout == "6 reports read: 4 new, 0 replaced, in 2 days\n"
    rows = _rows(tmp_path / "history")
    kept = [row[3] for row in rows["reports"] if row[0] == "edge-0003"]
    assert kept == [datetime.fromisoformat(other["started"][:-1])]
    assert "edge-0003" not in {row[0] for row in rows["findings"]}


def test_nobody_replaces_what_a_device_said_at_the_end(tmp_path: Path) -> None:
    victim = device_report(changes=refusal())
    forged = device_report(changes={"uptime_s": 1e6, "started": victim["started"]})
    begun = forged | {"outcome": "unfinished", "finished": None, "exit_code": None}
    assert _load(tmp_path, victim)[:2] == (1, 0)
    assert _load(tmp_path, forged)[:2] == (1, 0)
    assert _load(tmp_path, begun)[:2] == (0, 0)
    outcomes = {
        row[TABLES_OF_REPORTS.index("outcome")] for row in _rows(tmp_path / "history")["reports"]
    }
    assert outcomes == {"refused", "started"}
    # Whoever gathers both in one load learns of it.
    other = tmp_path / "other"
    other.mkdir()
    (other / "victim.ndjson").write_text(ndjson(victim))
    (other / "attacker.ndjson").write_text(ndjson(forged))
    loaded = load_reports([str(other)], str(tmp_path / "kept"), NOW.timestamp())
    assert (loaded.new, dict(loaded.ledger.counts)) == (1, {"contradicting": 1})


def test_days_that_cannot_be_are_few(tmp_path: Path) -> None:
    reports = [
        device_report(
            changes={"started": f"19{70 + year}-03-01T00:00:00.000000Z", "sequence": 10 + year}
        )
        for year in range(20)
    ]
    # Another clock tells the age of this one, so that `summarize` counts it.
    ahead = device_report(ago=timedelta(days=-9)) | {"age_s": 60.0}
    file = tmp_path / "reports.ndjson"
    file.write_text(ndjson(*reports, ahead))
    loaded = load_reports([str(file)], str(tmp_path / "history"), NOW.timestamp())
    assert (loaded.new, loaded.days) == (20, ("1970-01-01",))
    (named,) = loaded.ledger.named
    assert (named.kind, named.reason) == ("future", "its day is 2026-12-05, which hasn't come yet")


def test_a_load_writes_to_so_many_days(tmp_path: Path) -> None:
    work = WorkingDirectory(directory=tmp_path)
    reports = [device_report(ago=timedelta(days=n), changes={"sequence": 9 - n}) for n in range(5)]
    work.write("reports.ndjson", ndjson(*reports))
    with patch.object(history, "MAX_DAYS", 2):
        outcome = work.coral("fleet", "load", "reports.ndjson", "--into", "history").require(1)
    assert outcome.stdout == "5 reports read: 2 new, 0 replaced, in 2 days\n"
    assert outcome.stderr == (
        "warning: the oldest 3 days aren't loaded, as a load takes 2: load the files of those by "
        "themselves\n"
    )


def test_two_loads_at_once(tmp_path: Path) -> None:
    _load(tmp_path, device_report())
    (tmp_path / "history" / ".load-killed").mkdir()
    with history._locked(str(tmp_path / "history")), pytest.raises(InputError) as caught:
        _load(tmp_path, device_report())
    assert caught.value.message == "another load is writing to the directory"
    # What a load leaves that was killed goes with the next one.
    _load(tmp_path, device_report())
    assert not (tmp_path / "history" / ".load-killed").exists()


def test_without_duckdb(tmp_path: Path) -> None:
    with patch.dict("sys.modules", {"duckdb": None}), pytest.raises(InputError) as caught:
        load_reports([str(tmp_path)], str(tmp_path / "history"), NOW.timestamp())
    assert caught.value.hint == "`pip install 'coral-lock[fleet]'`"
    assert not (tmp_path / "history").exists()
