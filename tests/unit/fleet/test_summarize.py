"""`fleet summarize`: who holds, who deviates and how, who is silent, in every format."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.device_reports import LOCK, device_report, ndjson, refusal
from tests.support.in_process import WorkingDirectory
from tests.unit.test_schemas import validator

OTHER_LOCK = "0" * 64
NOW = ("--now", "2026-11-26T12:00:00Z")
ACCEPTED = {"channel": "stable", "serial": 41, "signers": [], "rollback": None}
FAILED = {
    "outcome": "failed",
    "exit_code": 1,
    "plugins": [
        {
            "id": "patches:night_vision",
            "status": "failed",
            "distribution": "acme-vision",
            "version": "2.0",
            "reason": "activate returned False",
            "duration_us": 7,
        }
    ],
    "findings": [
        {
            "code": "activation-failed",
            "severity": "error",
            "subject": "patches:night_vision",
            "summary": "`patches:night_vision` failed",
            "expected": None,
            "found": None,
            "where": None,
            "hint": None,
        }
    ],
    "findings_total": {"error": 1},
}


@pytest.fixture
def work(tmp_path: Path) -> WorkingDirectory:
    """A directory with the reports of a fleet in which everything is wrong that can be."""
    work = WorkingDirectory(directory=tmp_path)
    (tmp_path / "reports" / "hall").mkdir(parents=True)
    rolled_back = ACCEPTED | {"rollback": "41 \x1b[31mbreaks the cameras"}
    fleet: dict[str, dict[str, Any]] = {
        "edge-0001": {"lock": {"accepted": ACCEPTED}},
        "edge-0002": {"lock": {"accepted": rolled_back}},
        "edge-0003": refusal(),
        "edge-0004": FAILED,
        "edge-0005": {"outcome": "unfinished", "finished": None, "exit_code": None},
        "edge-0007": {"lock": {"sha256": OTHER_LOCK}, "command": "verify", "outcome": "holds"},
        "edge-0009": {"lock": {"sha256": None}, "outcome": "deviates", "command": "verify"},
    }
    for device, changes in fleet.items():
        report = device_report(device, changes=changes)
        earlier = report | {"sequence": 6, "outcome": "failed"}
        work.write(f"reports/hall/{device}.ndjson", ndjson(earlier, report, report))
    old = device_report("edge-0006", ago=timedelta(hours=30))
    work.write("reports/edge-0006.json", json.dumps(old, indent=2))
    work.write("reports/stranger.json", json.dumps(device_report("stranger")))
    work.write("reports/notes.txt", "these aren't reports")
    work.write("hosts", "".join(f"edge-{number:04}\n" for number in range(1, 10)))
    return work


TEXT = f"""\
3 of 10 devices hold
refused (1): it refused to start
  edge-0003, 60 min old: digest-mismatch
failed (1): a plugin failed, or the start did
  edge-0004, 60 min old: activation-failed
deviates (1): it differs from the lock
  edge-0009, 60 min old
unfinished (1): a start began and hasn't ended
  edge-0005, 60 min old
missing (1): it is in the inventory and never reported
  edge-0008
stale (1): its last word is too old
  edge-0006, 30 h old
unlisted (1): it holds, but isn't in the inventory
  stranger, 60 min old
locks (4)
  {LOCK[:12]}: 5 devices, 5 of them red: edge-0003, edge-0004, edge-0005, edge-0006, stranger
  {LOCK[:12]}  stable 41: 2 devices: edge-0001, edge-0002
  {OTHER_LOCK[:12]}: 1 device: edge-0007
  a lock that is missing or can't be read: 1 device, 1 of them red: edge-0009
findings (2)
  error activation-failed patches:night_vision: 1 device: edge-0004
    `patches:night_vision` failed
  error digest-mismatch my-package (patches:camera_stabilizer): 1 device: edge-0003
    `my_package/x.py` of `my-package` isn't the file that was locked
plugins that failed (1)
  failed patches:night_vision: 1 device: edge-0004
rolled back (1)
  edge-0002: 41 \\x1b[31mbreaks the cameras
read 23 reports in 9 files (7 followed by a later one, 7 there twice)
"""


def test_a_fleet_as_text(work: WorkingDirectory) -> None:
    outcome = work.coral("fleet", "summarize", "reports", "--inventory", "hosts", *NOW)
    assert outcome.require(1).stdout == TEXT
    assert outcome.stderr == ""


def test_a_fleet_as_json(work: WorkingDirectory) -> None:
    words = ("--inventory", "hosts", "--output-format", "json", "--output-file", "fleet.json")
    outcome = work.coral("fleet", "summarize", "reports", *words, *NOW).require(1)
    assert (outcome.stdout, outcome.stderr) == ("", "wrote fleet.json: 3 of 10 devices hold\n")
    document = json.loads((work.directory / "fleet.json").read_text())
    validator("fleet-summary").validate(document)
    assert document["now"] == "2026-11-26T12:00:00.000000Z"
    assert document["plugins"] == [
        {
            "status": "failed",
            "plugin": "patches:night_vision",
            "devices": 1,
            "examples": ["edge-0004"],
        }
    ]
    assert document["states"] == {
        "disputed": 0,
        "refused": 1,
        "failed": 1,
        "deviates": 1,
        "unfinished": 1,
        "missing": 1,
        "stale": 1,
        "unlisted": 1,
        "holds": 3,
    }
    assert document["devices"][0] == {
        "device": "edge-0003",
        "state": "refused",
        "is_listed": True,
        "note": "",
        "age_s": 3600,
        "clock": "right",
        "sequence": 7,
        "outcome": "refused",
        "lock": LOCK,
        "errors": 1,
        "warnings": 0,
        "findings": [
            {
                "code": "digest-mismatch",
                "severity": "error",
                "subject": "my-package",
                "summary": "`my_package/x.py` of `my-package` isn't the file that was locked",
            },
        ],
        "where": "reports/hall/edge-0003.ndjson:2",
    }
    assert document["locks"][1] == {
        "sha256": LOCK,
        "accepted": {"channel": "stable", "serial": 41, "rollback": None},
        "devices": 2,
        "red": 0,
        "examples": ["edge-0001", "edge-0002"],
    }
    assert document["rollbacks"] == [
        {"device": "edge-0002", "reason": "41 \x1b[31mbreaks the cameras"}
    ]
    assert document["holds"] is False


def test_a_group_says_what_its_findings_say_and_a_forger_may_be_innocent(tmp_path: Path) -> None:
    work = WorkingDirectory(directory=tmp_path)
    (tmp_path / "reports").mkdir()
    for number, summary in enumerate(["there is no lock", "the lock isn't JSON"] * 2):
        changes = refusal("not-started", "coral.lock")
        changes["findings"][0]["summary"] = summary
        report = device_report(f"edge-{number}", changes=changes)
        work.write(f"reports/edge-{number}.json", json.dumps(report))
    work.write("reports/edge-9.json", json.dumps(device_report("7d9f2c1e")))
    work.write("hosts", "".join(f"edge-{number}\n" for number in (0, 1, 2, 3, 9)))
    text = work.coral("fleet", "summarize", "reports", "--inventory", "hosts", *NOW).stdout
    assert (
        "  error not-started coral.lock: 4 devices: edge-0, edge-1, edge-2, edge-3\n"
        "    there is no lock\n"
        "    the lock isn't JSON\n"
    ) in text
    assert text.endswith(
        "set aside, forged (1): the file of one device says that it is of another\n"
        "  reports/edge-9.json: it says that it is of `7d9f2c1e`: if the device has that id, start "
        "it with `--device-id edge-9`, or give the host `coral_device_id`\n"
    )


def test_a_file_with_holes_is_given_up(tmp_path: Path) -> None:
    work = WorkingDirectory(directory=tmp_path)
    work.write("edge.ndjson", ndjson(device_report()))
    with open(tmp_path / "edge.ndjson", "r+b") as file:
        file.truncate(1 << 40)
    outcome = work.coral("fleet", "summarize", "edge.ndjson", *NOW).require(1)
    assert outcome.stdout.endswith(
        "set aside, too-large (1): it has more than 8 MiB\n"
        "  edge.ndjson:2: it has more than 8 MiB\n"
    )


VERIFIED = {"command": "verify", "outcome": "holds", "sequence": 8}
UNFINISHED = {"outcome": "unfinished", "finished": None, "exit_code": None}
DEVIATES = refusal() | {"command": "verify", "outcome": "deviates"}


@pytest.mark.parametrize(
    ("earlier", "later", "state"),
    [
        (refusal(), VERIFIED, "refused (1): it refused to start\n  edge-0001, 2 h old: digest-"),
        (FAILED, VERIFIED, "failed (1): a plugin failed, or the start did\n  edge-0001, 2 h old: "),
        (UNFINISHED, VERIFIED, "unfinished (1): a start began and hasn't ended\n  edge-0001, 2 h"),
        (DEVIATES, UNFINISHED | {"sequence": 8}, "deviates (1): it differs from the lock\n"),
        (refusal(), DEVIATES | {"sequence": 8}, "refused (1): it refused to start\n"),
        (DEVIATES, {"sequence": 8}, "1 of 1 device hold\nlocks (1)\n"),
        (DEVIATES, VERIFIED, "1 of 1 device hold\nlocks (1)\n"),
        (refusal(), {"sequence": 8}, "1 of 1 device hold\nlocks (1)\n"),
        ({}, VERIFIED, "1 of 1 device hold\nlocks (1)\n"),
    ],
)
def test_the_worse_one_of_the_last_start_and_the_last_verify_counts(
    tmp_path: Path, earlier: dict[str, Any], later: dict[str, Any], state: str
) -> None:
    work = WorkingDirectory(directory=tmp_path)
    first = device_report(ago=timedelta(hours=2), changes=earlier)
    work.write("reports.ndjson", ndjson(device_report(changes=later), first))
    outcome = work.coral("fleet", "summarize", "reports.ndjson", *NOW)
    assert state in outcome.stdout
    has_note = "a later `verify` held" in outcome.stdout
    assert has_note == (later is VERIFIED and outcome.code == 1)


def test_a_device_that_is_not_in_the_inventory_counts_as_the_others(tmp_path: Path) -> None:
    work = WorkingDirectory(directory=tmp_path)
    accepted = ACCEPTED | {"rollback": "41 breaks"}
    stranger = device_report("stranger", changes=refusal() | {"lock": {"accepted": accepted}})
    work.write("reports.ndjson", ndjson(device_report(), stranger))
    work.write("hosts", "edge-0001\n")
    words = ("fleet", "summarize", "reports.ndjson", "--inventory", "hosts", *NOW)
    assert work.coral(*words).require(1).stdout == (
        "1 of 2 devices hold\n"
        "refused (1): it refused to start\n"
        "  stranger, 60 min old: digest-mismatch, not in the inventory\n"
        "locks (2)\n"
        f"  {LOCK[:12]}  stable 41: 1 device, 1 of them red: stranger\n"
        f"  {LOCK[:12]}: 1 device: edge-0001\n"
        "findings (1)\n"
        "  error digest-mismatch my-package (patches:camera_stabilizer): 1 device: stranger\n"
        "    `my_package/x.py` of `my-package` isn't the file that was locked\n"
        "rolled back (1)\n"
        "  stranger: 41 breaks\n"
        "read 2 reports in 1 file\n"
    )


def test_a_fleet_that_holds(tmp_path: Path) -> None:
    work = WorkingDirectory(directory=tmp_path)
    # A program runs that hasn't started the host yet.
    changes = {"command": "run", "outcome": "verified", "finished": None, "exit_code": None}
    running = device_report("b", changes=changes)
    work.write("reports.ndjson", ndjson(device_report("a"), running))
    work.write("hosts", "a\nb\n")
    words = ("fleet", "summarize", "reports.ndjson", "--inventory", "hosts", *NOW)
    assert work.coral(*words).require(0).stdout.startswith("2 of 2 devices hold\n")
    assert work.coral(*words, "--stale-after", "61m").code == 0
    assert work.coral(*words, "--stale-after", "3599s").code == 1


def test_a_fleet_of_which_nobody_knows(tmp_path: Path) -> None:
    work = WorkingDirectory(directory=tmp_path)
    (tmp_path / "reports").mkdir()
    outcome = work.coral("fleet", "summarize", "reports").require(1)
    assert outcome.stdout.startswith("no device has reported\n")


def test_a_fleet_as_markdown(work: WorkingDirectory) -> None:
    words = ("--inventory", "hosts", "--output-format", "markdown")
    text = work.coral("fleet", "summarize", "reports", *words, *NOW).require(1).stdout
    assert text.startswith("### 3 of 10 devices hold\n\n**States**\n")
    assert "| refused | 1 | it refused to start |" in text
    assert "<details><summary>Missing: 1 device</summary>" in text
    said = "<code>my&#95;package/x.py</code> of <code>my-package</code> isn't the file that was"
    finding = f"| <code>digest-mismatch</code><br>{said} locked | <code>my-package</code><br>"
    assert f"{finding}<code>patches:camera&#95;stabilizer</code> | 1 |" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "error: there are no reports\n  expected: a directory of `*.json`"),
        ([".", "--now", "tomorrow"], "error: `tomorrow` isn't a time\n"),
        (
            [".", "--stale-after", "1w"],
            "error: `1w` isn't a duration\n"
            "  expected: a whole number of seconds, minutes, hours or days: `90s`, `30m`, `24h`, "
            "`7d`\n"
            "  hint: weeks are days, and parts are smaller units: `7d` for `1w`, `90m` for `1.5h`",
        ),
        ([".", "--inventory", "hosts"], "error: there is no inventory\n  where: hosts\n"),
        ([], "error: missing argument `DIR|FILE...`"),
    ],
)
def test_a_wrong_command_line(tmp_path: Path, words: list[str], message: str) -> None:
    work = WorkingDirectory(directory=tmp_path)
    outcome = work.coral("fleet", "summarize", *words).require(2)
    assert outcome.stderr.startswith(message)
