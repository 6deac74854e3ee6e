"""Reports that nobody vouches for: each bad one is counted, named and set aside."""

from __future__ import annotations

import json
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from coral_lock.fleet.report import MAX_REPORT_BYTES
from tests.support.device_reports import device_report, ndjson, refusal
from tests.support.in_process import WorkingDirectory

NOW = ("--now", "2026-11-26T12:00:00Z")
GOOD = ndjson(device_report("edge-0001"))
ESCAPES = "\x1b]0;owned\x07\x1b[2J</script><img src=x onerror=x()>\u202e"


@pytest.fixture
def work(tmp_path: Path) -> WorkingDirectory:
    (tmp_path / "reports").mkdir()
    return WorkingDirectory(directory=tmp_path)


def _summary(work: WorkingDirectory, *words: str) -> dict[str, Any]:
    options = ("--output-format", "json", *words, *NOW)
    document: dict[str, Any] = json.loads(
        work.coral("fleet", "summarize", "reports", *options).stdout
    )
    return document


def _named(summary: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(each["kind"], each["where"], each["reason"]) for each in summary["reports"]["named"]]


def test_a_bad_line_stops_no_other(work: WorkingDirectory) -> None:
    future = device_report("edge-0003", ago=timedelta(hours=-2)) | {"age_s": None}
    version = device_report("edge-0004") | {"device_report_version": "2.0"}
    lines = [
        GOOD.encode(),
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        b'"' + b"x" * (MAX_REPORT_BYTES + 10) + b'"\n',
        ndjson(future, version).encode(),
        b'{"device": "edge-0005", "device": "edge-0006"}\n',
        ndjson(device_report("edge-0002")).encode(),
        ndjson(device_report("edge-0007"))[:300].encode(),
    ]
    (work.directory / "reports" / "all.ndjson").write_bytes(b"".join(lines))
    summary = _summary(work)
    assert summary["states"]["holds"] == 2
    assert summary["reports"]["valid"] == 3
    assert {kind: count for kind, count in summary["reports"]["set_aside"].items() if count} == {
        "future": 1,
        "version": 1,
        "not-json": 3,
        "truncated": 1,
        "too-large": 1,
    }
    place = "reports/all.ndjson"
    assert _named(summary) == [
        ("future", f"{place}:5", "it was written 7,200 s from now"),
        ("version", f"{place}:6", "format version 2.0, and 1 is the one that is known"),
        ("not-json", f"{place}:2", "it isn't UTF-8"),
        ("not-json", f"{place}:3", "it is nested too deeply"),
        ("not-json", f"{place}:7", "the key `device` appears twice"),
        ("truncated", f"{place}:9", "unterminated string in column 300"),
        ("too-large", f"{place}:4", "it has more than 8 MiB"),
    ]


def test_what_is_no_file_is_not_followed(work: WorkingDirectory) -> None:
    reports = work.directory / "reports"
    outside = work.write("outside.json", ndjson(device_report("outside")))
    os.mkfifo(reports / "pipe.ndjson")
    (reports / "link.json").symlink_to(outside)
    (reports / "loop").symlink_to(reports)
    (reports / "gone.json").symlink_to("nowhere")
    deep = reports.joinpath(*("d" * 18))
    deep.mkdir(parents=True)
    (deep / "deep.json").write_text(ndjson(device_report("deep")))
    (reports / "empty.json").write_text("")
    (reports / "large.json").write_bytes(b" " * (MAX_REPORT_BYTES + 1))
    (reports / "good.json").write_text(GOOD)
    summary = _summary(work)
    assert summary["states"]["holds"] == 1
    assert _named(summary) == [
        ("truncated", "reports/empty.json", "expecting value in column 1"),
        ("too-large", "reports/large.json", "it has more than 8 MiB"),
        ("not-a-file", "reports/gone.json", "a symbolic link"),
        ("not-a-file", "reports/link.json", "a symbolic link"),
        ("not-a-file", "reports/pipe.ndjson", "not a regular file"),
        ("unreadable", "reports/" + "/".join("d" * 17), "it is more than 16 directories deep"),
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read(work: WorkingDirectory) -> None:
    reports = work.directory / "reports"
    (reports / "secret.json").write_text(GOOD)
    (reports / "secret.json").chmod(0)
    (reports / "shut").mkdir(mode=0)
    summary = _summary(work)
    (reports / "shut").chmod(0o700)
    assert _named(summary) == [
        ("unreadable", "reports/secret.json", "Permission denied"),
        ("unreadable", "reports/shut", "Permission denied"),
    ]


def test_a_device_that_speaks_for_another(work: WorkingDirectory) -> None:
    bad = device_report("edge-0002", changes=refusal())
    forged = device_report("edge-0002", changes={"sequence": 99})
    work.write("reports/edge-0001.ndjson", GOOD + ndjson(forged))
    work.write("reports/edge-0002.ndjson", ndjson(bad))
    work.write("reports/edge-0003.ndjson", ndjson(forged))
    work.write("hosts", "edge-0001\nedge-0002\nedge-0003\n")
    summary = _summary(work, "--inventory", "hosts")
    assert [(each["device"], each["state"], each["note"]) for each in summary["devices"]] == [
        ("edge-0002", "refused", ""),
        ("edge-0003", "missing", "1 of its reports set aside"),
    ]
    innocent = (
        "it says that it is of `edge-0002`: if the device has that id, start it with "
        "`--device-id {}`, or give the host `coral_device_id`"
    )
    assert _named(summary) == [
        ("forged", "reports/edge-0001.ndjson:2", innocent.format("edge-0001")),
        ("forged", "reports/edge-0003.ndjson:1", innocent.format("edge-0003")),
    ]


def test_two_reports_that_contradict_each_other(work: WorkingDirectory) -> None:
    bad = device_report("edge-0001", changes=refusal())
    work.write("reports/a.ndjson", GOOD + GOOD + ndjson(bad))
    summary = _summary(work)
    assert summary["states"]["disputed"] == 1
    assert summary["reports"]["duplicates"] == 1
    assert [kind for kind, _, _ in _named(summary)] == ["contradicting"]
    # A later word settles it.
    work.write("reports/b.ndjson", ndjson(device_report("edge-0001", changes={"sequence": 8})))
    assert _summary(work)["states"]["holds"] == 1


def test_naming_is_bounded(work: WorkingDirectory) -> None:
    lines = "".join(f'{{"device": "{"x" * 5000}{number}"}}\n' for number in range(500))
    strangers = ndjson(
        *(
            device_report(f"edge-{number:04}", changes=refusal(subject=f"s{number}" * 500))
            for number in range(300)
        )
    )
    work.write("reports/all.ndjson", lines + strangers)
    outcome = work.coral("fleet", "summarize", "reports", *NOW).require(1)
    assert len(outcome.stdout) < 20_000
    assert "set aside, invalid (500): it isn't a device report\n" in outcome.stdout
    assert "  and 495 more\n" in outcome.stdout
    text = work.coral("fleet", "summarize", "reports", *NOW, "--output-format", "markdown").stdout
    assert len(text.encode()) <= 60_000


@pytest.mark.parametrize("output_format", ["text", "json", "markdown", "html"])
def test_no_name_reaches_a_terminal_or_a_page_as_it_is(
    work: WorkingDirectory, output_format: str
) -> None:
    accepted = {"channel": ESCAPES, "serial": 1, "signers": [], "rollback": ESCAPES}
    changes = refusal(ESCAPES[:60], ESCAPES) | {"lock": {"accepted": accepted}}
    changes["plugins"] = [
        {
            "id": ESCAPES,
            "status": "failed",
            "distribution": ESCAPES,
            "version": "\ud800",
            "reason": ESCAPES,
            "duration_us": 1,
        }
    ]
    file = work.directory / "reports" / f"{ESCAPES.replace('/', '')}.ndjson"
    file.write_text(ndjson(device_report("edge-0001", changes=changes)) + "{\n", encoding="utf-8")
    options = ("--output-format", output_format)
    text = work.coral("fleet", "summarize", "reports", *options, *NOW).require(1).stdout
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    if output_format in ("html", "markdown"):
        assert "<img" not in text
        assert text.lower().count("</script") == (2 if output_format == "html" else 0)
