"""`--report FILE`: tried before anything is imported, and never of another start than the last."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.device import Device
from tests.support.reports import device_of_plugin, earlier_report, leave_only

PLUGIN = """
import ctypes, os
from coral_inference.runtime.plugins import PluginSpec

open("imported", "w").close()

def activate(config):
    if os.path.exists("exit"):
        ctypes.CDLL(None)._exit(0)
    return True

def register():
    return PluginSpec(name="p", activate=activate)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, wheelhouse: Path) -> Device:
    return device_of_plugin(tmp_path_factory.mktemp("reports"), wheelhouse, PLUGIN)


@pytest.fixture
def machine(made: Device) -> Iterator[Device]:
    """A device with a plugin that shows whether it was imported."""
    lock = made.lock_path.read_bytes()
    yield made
    leave_only(made, lock)


def _init(machine: Device, report: str, code: int, *words: str) -> str:
    """Start with a report; return what is said about it."""
    return machine.coral("init", "--locked", "--report", report, *words).require(code).stderr


def _report(machine: Device) -> dict[str, object]:
    loaded: dict[str, object] = json.loads((machine.directory / "r.json").read_text())
    return loaded


def _is_imported(machine: Device) -> bool:
    return (machine.directory / "imported").exists()


NOT_A_REPORT = {
    "words": '# Notes\n\nThe "report_version" and the "outcome" of a report.\n',
    "JSON": '{\n  "report_version": "1.0",\n  "outcome": "started"\n}\n',
    "more": earlier_report() + "mine\n",
}


@pytest.mark.parametrize("name", NOT_A_REPORT)
def test_what_is_no_report_is_not_overwritten(machine: Device, name: str) -> None:
    path = machine.write("r.json", NOT_A_REPORT[name])
    assert _init(machine, "r.json", 2) == (
        "error: `r.json` isn't a report, so it isn't overwritten\n"
        "  where: r.json\n"
        "  hint: remove it first, or name another file with `--report FILE`\n"
    )
    assert path.read_text() == NOT_A_REPORT[name]
    assert not _is_imported(machine)


def test_what_is_no_file_is_told_before_anything_is_imported(
    machine: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(machine.directory)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
    for place, reason in ((".", "not a regular file"), ("socket", "No such device or address")):
        for words in (("init", "--locked"), ("init",), ("run", "--locked", "--", "-c", "1")):
            command, *rest = words
            code = 78 if command == "run" else 2
            outcome = machine.coral(command, "--report", place, *rest).require(code)
            assert (outcome.stdout, outcome.stderr) == (
                "",
                f"error: `{place}` can't be overwritten: {reason}\n"
                f"  where: {place}\n"
                "  hint: name another file with `--report FILE`\n",
            )
    assert not _is_imported(machine)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("absent/r.json", "No such file or directory"),
        ("coral.lock/r.json", "Not a directory"),
        ("/proc/r.json", "No such file or directory"),
    ],
)
def test_a_place_without_room_for_a_file_is_told_before_anything_is_imported(
    machine: Device, place: str, reason: str
) -> None:
    """`/proc` stands for a place that only shows itself unwritable when it is written to."""
    assert _init(machine, place, 2) == (
        f"error: `{place}` can't be written: {reason}; nothing was written\n"
        f"  where: {place}\n"
        "  hint: name a file in a directory that exists\n"
    )
    assert not _is_imported(machine)


def test_a_device_that_is_full_is_named(machine: Device) -> None:
    outcome = machine.coral("init", "--locked", "--report", "/dev/full").require(2)
    assert outcome.stdout == ""
    assert outcome.stderr.endswith(
        "error: the report can't be written: No space left on device\n"
        "  where: /dev/full\n"
        "  hint: name another file with `--report FILE`\n"
    )
    assert Path("/dev/full").is_char_device()


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("", "the option `--report` needs a value: FILE\n  hint: see `coral-runtime {} --help`\n"),
        (
            "-",
            "`--report` needs a file, not standard output\n"
            "  hint: name a file; `init` prints the report to standard output anyway\n",
        ),
        (
            "/dev/stderr",
            "`--report` needs a file, not `/dev/stderr`\n"
            "  hint: name a file; `init` prints the report to standard output anyway\n",
        ),
    ],
)
def test_what_names_no_file_is_a_mistake(machine: Device, place: str, error: str) -> None:
    for command, code in (("init", 2), ("run", 78)):
        outcome = machine.coral(command, "--locked", f"--report={place}").require(code)
        assert (outcome.stdout, outcome.stderr) == ("", f"error: {error.format(command)}")
    assert not _is_imported(machine)


def test_an_earlier_report_is_replaced_by_that_of_the_start(machine: Device) -> None:
    machine.write("r.json", earlier_report())
    outcome = machine.coral("init", "--locked", "--report", "r.json").require(0)
    assert (machine.directory / "r.json").read_text() == outcome.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--lock", "absent.lock"), "there is no lock"),
        (("-c", "absent.yaml"), "there is no descriptor"),
        (("--set", "platform=rknn"), None),
    ],
)
def test_a_refused_start_replaces_an_earlier_report(
    machine: Device, words: tuple[str, ...], message: str | None
) -> None:
    machine.write("r.json", earlier_report())
    machine.coral("init", "--locked", "--report", "r.json", *words)
    report = _report(machine)
    assert report["outcome"] == "refused"
    assert isinstance(report["findings"], list)
    summaries = [finding["summary"] for finding in report["findings"]]
    assert summaries == [message] if message else len(summaries) == 1
    assert not _is_imported(machine)


def test_an_option_that_is_refused_is_the_outcome_too(machine: Device) -> None:
    machine.write("r.json", earlier_report())
    machine.coral("init", "--report", "r.json", "--closed").require(2)
    assert _report(machine)["outcome"] == "refused"


def test_a_command_line_that_means_nothing_leaves_everything(machine: Device) -> None:
    path = machine.write("r.json", earlier_report())
    assert _init(machine, "r.json", 2, "--zzz").startswith("error: no such option")
    assert path.read_text() == earlier_report()


def test_a_start_that_ends_in_the_middle_leaves_no_success(machine: Device) -> None:
    machine.write("r.json", earlier_report())
    machine.write("exit", "")
    machine.coral("init", "--locked", "--report", "r.json")
    assert _is_imported(machine)
    report = _report(machine)
    assert (report["outcome"], report["plugins"], report["log_messages"]) == (
        "unfinished",
        [],
        ["The start hasn't finished"],
    )


def test_a_link_to_a_report_stays_one(machine: Device) -> None:
    machine.write("real.json", earlier_report())
    (machine.directory / "r.json").symlink_to("real.json")
    outcome = machine.coral("init", "--locked", "--report", "r.json").require(0)
    assert (machine.directory / "r.json").is_symlink()
    assert (machine.directory / "real.json").read_text() == outcome.stdout


def test_a_state_directory_keeps_what_is_not_ours(machine: Device) -> None:
    state = machine.directory.parent / "shared"
    digest, session = "0" * 64, f"1-{'0' * 16}"
    mine = {
        f"bytecode/{digest}.cpython-311-3495-0": "mine",
        "bytecode/older/module.pyc": "mine",
        "bytecode/notes": "mine",
        "runs/notes/session": "mine",
        "runs/notes/markers/one": "mine",
        f"runs/{session}/session": "mine",
        f"runs/{session}/markers/one": "mine",
    }
    for name, text in mine.items():
        path = state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (0, 0))
    machine.coral("init", "--locked", "--state-dir", state).require(0)
    machine.coral("run", "--locked", "--state-dir", state, "--", "-c", "1").require(0)
    assert {name: (state / name).read_text() for name in mine} == mine


def test_a_link_in_the_state_directory_is_not_followed(machine: Device) -> None:
    state = machine.directory.parent / "linked"
    (state / "bytecode").mkdir(parents=True)
    target = machine.write("mine", "mine")
    os.utime(target, (0, 0))
    entry = state / "bytecode" / f"{'0' * 64}.cpython-311-3495-0"
    entry.symlink_to(target)
    os.utime(entry, (0, 0), follow_symlinks=False)
    machine.coral("init", "--locked", "--state-dir", state).require(0)
    assert entry.is_symlink()
    assert target.read_text() == "mine"
