"""The report of a device: one for each locked start and each `verify`, whatever comes of them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.device import TIMEOUT_SECONDS, Device, Outcome
from tests.support.reports import device_of_plugin, leave_only
from tests.unit.test_schemas import validator

DEVICE_ID = "gate-7.example.org"
PLUGIN = """
import os, time
from coral_inference.runtime.plugins import PluginSpec

def activate(config):
    if os.path.exists("exit"):
        os.kill(os.getpid(), 9)
    if os.path.exists("hang"):
        open("hanging", "w").close()
        time.sleep(60)
    if os.path.exists("fail"):
        where = config.services['camera']
        key = config.services.get("private_key", "")
        raise RuntimeError(f"no answer from {where}, password=hunter2 {key}")
    return True

def register():
    return PluginSpec(name="p", activate=activate)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, wheelhouse: Path) -> Device:
    return device_of_plugin(tmp_path_factory.mktemp("device-reports"), wheelhouse, PLUGIN)


@pytest.fixture
def machine(made: Device) -> Iterator[Device]:
    """A device with a plugin that fails as it is told, and without reports."""
    lock = made.lock_path.read_bytes()
    yield made
    leave_only(made, lock)
    shutil.rmtree(made.state, ignore_errors=True)


def coral(machine: Device, *words: str | Path, **variables: str) -> Outcome:
    return machine.coral(*words, env={"CORAL_LOCK_DEVICE_ID": DEVICE_ID, **variables})


def drained(machine: Device, *words: str | Path) -> list[Any]:
    """Fetch the reports; each conforms to the schema."""
    outcome = coral(machine, "report", "drain", *words).require(0)
    documents = [json.loads(line) for line in outcome.stdout.splitlines()]
    for document in documents:
        validator("device-report").validate(document)
    return documents


def only(machine: Device) -> Any:
    (document,) = drained(machine)
    return document


def summary(document: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(document[key] for key in ("command", "outcome", "exit_code"))


def test_a_start_and_a_verification_are_reported(machine: Device) -> None:
    started = coral(machine, "init", "--locked").require(0).json()
    coral(machine, "verify").require(0)
    first, second = drained(machine)
    assert summary(first) == ("init", "started", 0)
    assert first["device"] == second["device"] == DEVICE_ID
    assert first["lock"] == {**started["lock"], "accepted": None}
    assert first["plugins"] == started["plugins"]
    assert [first["sequence"], second["sequence"]] == [1, 2]
    assert first["boot"] == second["boot"]
    assert first["started"] < first["finished"] < second["started"] < second["finished"]
    assert 0 <= second["age_s"] <= first["age_s"]
    assert summary(second) == ("verify", "holds", 0)
    assert second["lock"]["integrity"] == "full"
    assert second["lock"]["sha256"] == first["lock"]["sha256"]
    assert second["plugins"] == []
    assert drained(machine) == []
    shown = coral(machine, "report", "show").require(0).json()
    assert {**shown, "age_s": None} == {**second, "age_s": None}


def test_what_deviates_is_reported(machine: Device) -> None:
    module = machine.site_packages / "p.py"
    content = module.read_bytes()
    module.write_bytes(content + b"# changed\n")
    try:
        verified = coral(machine, "verify", "--output-format", "json").require(3).json()
        refused = coral(machine, "init", "--locked").require(3).json()
    finally:
        module.write_bytes(content)
    first, second = drained(machine)
    assert summary(first) == ("verify", "deviates", 3)
    assert first["findings"] == verified["findings"]
    assert summary(second) == ("init", "refused", 3)
    assert second["findings"] == refused["findings"]
    assert second["findings_total"]["error"] == 1
    assert [plugin["status"] for plugin in second["plugins"]] == ["not-run"]


def test_a_lock_that_cannot_be_read_is_reported(machine: Device) -> None:
    machine.lock_path.write_text("{}\n")
    coral(machine, "init", "--locked").require(2)
    coral(machine, "run", "--locked", "--", "-c", "1").require(78)
    coral(machine, "verify").require(2)
    machine.lock_path.unlink()
    coral(machine, "init", "--locked").require(2)
    coral(machine, "run", "--locked", "--", "absent.py").require(127)
    reports = drained(machine)
    assert [summary(each) for each in reports] == [
        ("init", "refused", 2),
        ("run", "refused", 78),
        ("verify", "deviates", 2),
        ("init", "refused", 2),
        ("run", "refused", 127),
    ]
    digest = "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356"
    assert [each["lock"]["sha256"] for each in reports] == [digest, digest, digest, None, None]
    assert [len(each["findings"]) for each in reports] == [1, 1, 1, 1, 1]


PROGRAM = """
import subprocess, sys
from importlib.metadata import entry_points
subprocess.run([sys.executable, "-S", "-c", "1"])
subprocess.run([sys.executable, "-c", "import p"])
sys.exit(5)
"""


def test_a_program_is_reported_until_its_end(machine: Device) -> None:
    machine.write("app.py", PROGRAM)
    coral(machine, "run", "--locked", "--closed", "--", "app.py").require(5)
    report = only(machine)
    assert summary(report) == ("run", "started", 5)
    assert report["uncovered_children"] == 1
    assert [finding["code"] for finding in report["findings"]] == ["uncovered-child"]


def test_a_program_that_goes_on_and_is_killed(machine: Device) -> None:
    machine.write("app.py", "import time\nopen('running', 'w').close()\ntime.sleep(60)\n")
    process = subprocess.Popen(
        [machine.environment.bin / "coral-runtime", "run", "--locked", "--", "app.py"],
        cwd=machine.directory,
        env=machine.variables(),
        stderr=subprocess.DEVNULL,
        # A shell starts what runs in the background with interrupts ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    _wait_for(machine.directory / "running", process)
    running = drained(machine)
    assert [summary(each) for each in running] == [("run", "started", None)]
    assert running[0]["finished"] is None
    process.send_signal(signal.SIGINT)
    process.wait(TIMEOUT_SECONDS)
    report = only(machine)
    assert summary(report) == ("run", "started", 130)
    assert report["sequence"] == running[0]["sequence"]
    assert report["started"] == running[0]["started"]
    assert report["finished"] > report["started"]


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.01)


def test_a_start_that_is_killed_stays_unfinished(machine: Device) -> None:
    machine.write("exit", "")
    coral(machine, "init", "--locked").require(1)
    (machine.directory / "exit").unlink()
    machine.write("hang", "")
    process = subprocess.Popen(
        [machine.environment.bin / "coral-runtime", "init", "--locked"],
        cwd=machine.directory,
        env=machine.variables(),
    )
    _wait_for(machine.directory / "hanging", process)
    process.kill()
    process.wait(TIMEOUT_SECONDS)
    reports = drained(machine)
    assert len(reports) == 2
    (machine.directory / "hang").unlink()
    coral(machine, "init", "--locked").require(0)
    finished = only(machine)
    for report in reports:
        assert summary(report) == ("init", "unfinished", None)
        assert report["finished"] is None
        assert report["lock"] == finished["lock"]
        assert report["host"] == finished["host"]
        assert (report["plugins"], report["findings"]) == ([], [])
    assert coral(machine, "report", "show").require(0).json()["sequence"] == 3


def test_secrets_of_services_stay_on_the_device(machine: Device) -> None:
    machine.write("fail", "")
    machine.write(
        "runtime.yaml",
        "services: {camera: 'rtsp://ada:s3cr3t@cam/1', token: activation, private_key: "
        f'"BEGIN\\n{"MIIE  " * 100}\\nEND"}}\n',
    )
    outcome = coral(machine, "init", "--locked").require(1)
    assert "s3cr3t" in outcome.stdout
    text = (machine.state / "coral-lock" / "reports" / "latest.json").read_text()
    assert "hunter2" not in text
    assert "s3cr3t" not in text
    assert "MIIE" in outcome.stdout
    assert "MIIE" not in text
    report = only(machine)
    assert report["plugins"][0]["reason"].startswith(
        "RuntimeError: no answer from rtsp://***@cam/1, password=***"
    )


def test_what_embeds_us_is_reported_once(machine: Device) -> None:
    machine.write(
        "app.py",
        "import subprocess, sys\nimport coral_lock\n"
        "coral_lock.init(state_directory='state')\n"
        "if len(sys.argv) < 2: subprocess.run([sys.executable, 'app.py', 'child'], check=True)\n",
    )
    machine.run("python", "app.py").require(0)
    (report,) = drained(machine, "--state-dir", machine.directory / "state")
    assert summary(report) == ("api", "started", None)
    assert report["finished"] > report["started"]
    machine.write("coral.lock", "{}\n")
    machine.run("python", "-c", "import coral_lock; coral_lock.init(state_directory='state')")
    (report,) = drained(machine, "--state-dir", machine.directory / "state")
    assert summary(report) == ("api", "refused", None)
    shutil.rmtree(machine.directory / "state")


def test_other_starts_and_other_places_are_not_reported(machine: Device) -> None:
    coral(machine, "init").require(0)
    coral(machine, "verify", "--python", machine.environment.python).require(0)
    coral(machine, "verify", "--site-packages", machine.site_packages)
    assert drained(machine) == []
    assert not (machine.state / "coral-lock" / "reports").exists()


def test_a_state_directory_that_cannot_be_used_costs_the_report(machine: Device) -> None:
    outcome = coral(machine, "init", "--locked", XDG_STATE_HOME="/proc/none").require(0)
    (message,) = [
        each for each in outcome.json()["log_messages"] if each.startswith("No device report: ")
    ]
    assert message == "No device report: `/proc/none`: No such file or directory"
    coral(machine, "verify", XDG_STATE_HOME="/proc/none").require(0)
    shared = machine.state / "coral-lock"
    coral(machine, "run", "--locked", "--", "-c", "1").require(0)
    shared.chmod(0o777)
    assert coral(machine, "verify").require(0).stderr.startswith("coral.lock holds")
    outcome = coral(machine, "verify", "--state-dir", shared).require(0)
    assert outcome.stderr.startswith(f"warning: No device report: `{shared}`: others can write")


def test_a_state_directory_on_a_read_only_disk_costs_the_report(machine: Device) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("there is no `unshare`")
    machine.state.mkdir(exist_ok=True)
    script = f'mount -t tmpfs -o ro none {machine.state}; exec "$0" init --locked'
    for namespace in (["unshare", "-m"], ["unshare", "-rm"]):
        finished = subprocess.run(
            [*namespace, "sh", "-ec", script, machine.environment.bin / "coral-runtime"],
            cwd=machine.directory,
            env=machine.variables(),
            capture_output=True,
            text=True,
            check=False,
        )
        if "unshare" not in finished.stderr and "mount:" not in finished.stderr:
            break
    else:
        pytest.skip("this user can't mount a file system")
    assert (finished.returncode, finished.stderr) == (0, "started on onnx: 1 of 1 plugin active\n")
    assert (
        f"No device report: `{machine.state}/coral-lock`: Read-only file system"
        in json.loads(finished.stdout)["log_messages"]
    )


def test_starts_at_once_have_reports_of_their_own(machine: Device) -> None:
    words = [str(machine.environment.bin / "coral-runtime"), "init", "--locked"]
    processes = [
        subprocess.Popen(
            words, cwd=machine.directory, env=machine.variables(), stdout=subprocess.DEVNULL
        )
        for _ in range(4)
    ]
    assert [process.wait(TIMEOUT_SECONDS) for process in processes] == [0] * 4
    reports = drained(machine)
    assert [report["sequence"] for report in reports] == [1, 2, 3, 4]
    assert [summary(report) for report in reports] == [("init", "started", 0)] * 4


WRONG_ID = (
    "`{}` can't name a device\n"
    "  expected: 1 to 128 letters, digits and `.`, `_`, `:`, `-`, of which the first is a "
    "letter or a digit\n"
    "  where: {}\n"
    "  hint: name the device as your inventory does, e.g. `gate-7.example.org`\n"
)


def test_a_wrong_id_is_told(machine: Device) -> None:
    outcome = machine.coral("init", "--locked", "--device-id", "a b").require(2)
    assert outcome.stderr == "error: " + WRONG_ID.format("a b", "--device-id")
    outcome = machine.coral("verify", "--device-id", "").require(2)
    assert outcome.stderr == "error: " + WRONG_ID.format("", "--device-id")
    outcome = machine.coral("init", "--locked", "--device-id", "").require(2)
    assert outcome.stderr == (
        "error: the option `--device-id` needs a value: ID\n"
        "  hint: see `coral-runtime init --help`\n"
    )
    machine.coral("run", "--locked", "--device-id", "a b", "--", "-c", "1").require(78)
    machine.coral("report", "device-id", "--device-id", "a b").require(2)
    outcome = coral(machine, "init", "--locked", CORAL_LOCK_DEVICE_ID="a b").require(0)
    assert outcome.stderr == (
        f"warning: {WRONG_ID.format('a b', 'CORAL_LOCK_DEVICE_ID')}"
        "started on onnx: 1 of 1 plugin active\n"
    )
    own = machine.coral("report", "device-id").require(0).stdout.strip()
    assert only(machine)["device"] == own
    assert coral(machine, "report", "device-id").require(0).stdout == f"{DEVICE_ID}\n"
    outcome = machine.coral("init", "--device-id", "a").require(2)
    assert outcome.stderr == (
        "error: `--device-id` needs `--locked`: without it, no lock is read\n"
        "  hint: write `coral-runtime init --locked`\n"
    )


def test_a_variable_of_ours_reads_no_descriptor(machine: Device) -> None:
    machine.write("show.py", "import sys\nprint('yaml' in sys.modules)\n")
    outcome = coral(machine, "run", "--locked", "--", "show.py").require(0)
    assert outcome.stdout == "False\n"


@pytest.mark.parametrize("redirection", ["> /dev/full", ">&-", "| true"])
def test_reports_that_nobody_takes_stay(machine: Device, redirection: str) -> None:
    coral(machine, "init", "--locked").require(0)
    read_end, write_end = os.pipe()
    os.close(read_end)
    own = "" if redirection == "| true" else redirection
    finished = subprocess.run(
        ["sh", "-c", f'"$0" report drain {own}', machine.environment.bin / "coral-runtime"],
        env=machine.variables(),
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write_end)
    # Where a reader has gone, nobody is there who could be told.
    assert (finished.returncode, finished.stderr) == {
        "> /dev/full": (
            2,
            "error: the reports can't be written: No space left on device\n"
            "  where: standard output\n"
            "  hint: nothing was removed: run `coral-runtime report drain` again, into a file with "
            "room for them\n",
        ),
        ">&-": (
            2,
            "error: standard output is closed, so the reports would be lost\n"
            "  hint: redirect it to a file\n",
        ),
        "| true": (1, ""),
    }[redirection]
    assert [summary(each) for each in drained(machine, "--keep")] == [("init", "started", 0)]
    assert [summary(each) for each in drained(machine)] == [("init", "started", 0)]


def test_a_device_without_reports(machine: Device) -> None:
    outcome = coral(machine, "report", "drain", "--state-dir", "state").require(0)
    place = machine.directory / "state" / "reports" / "spool"
    assert (outcome.stdout, outcome.stderr) == ("", f"there are no reports: no `{place}`\n")
    outcome = coral(machine, "report", "show", "--state-dir", "state").require(2)
    assert outcome.stderr == (
        "error: there is no report yet\n"
        "  where: state/reports/latest.json\n"
        "  hint: `coral-runtime init --locked` writes one; name its state directory with "
        "`--state-dir DIR`\n"
    )


def test_a_strange_spool_is_named(machine: Device) -> None:
    coral(machine, "init", "--locked").require(0)
    spool = machine.state / "coral-lock" / "reports" / "spool"
    (spool / "00000000000000000009.json").write_text("\x1b[31m")
    (spool / "a\x1b[31mb").write_text("mine")
    outcome = coral(machine, "report", "drain").require(0)
    assert len(outcome.stdout.splitlines()) == 1
    assert outcome.stderr == (
        f"warning: `{spool}/a\\x1b[31mb` isn't called as a report is\n"
        f"warning: `{spool}/00000000000000000009.json` is no report: expecting value\n"
    )
    for number in range(15):
        (spool / f"x{number:02d}").touch()
    outcome = coral(machine, "report", "drain").require(0)
    assert len(outcome.stderr.splitlines()) == 11
    assert outcome.stderr.endswith(f"warning: and 6 more in `{spool}`\n")
    for path in spool.glob("x*"):
        path.unlink()
    assert sorted(path.name for path in spool.iterdir()) == [
        "00000000000000000009.json.damaged",
        "a\x1b[31mb",
    ]


def _metrics(path: Path) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    return {
        family.name: {tuple(sample.labels.items()): sample.value for sample in family.samples}
        for family in text_string_to_metric_families(path.read_text(encoding="utf-8"))
    }


def test_the_metrics_of_a_start(machine: Device) -> None:
    path = machine.directory / "coral.prom"
    before = time.time()
    started = coral(machine, "init", "--locked", "--textfile", path).require(0).json()
    metrics = _metrics(path)
    (labels,) = metrics["coral_lock_info"]
    assert dict(labels) == {
        "device": DEVICE_ID,
        "sha256": started["lock"]["sha256"],
        "channel": "",
        "serial": "",
        "version": "0.1.0",
        "command": "init",
        "target": "",
    }
    assert {k for k, v in metrics["coral_lock_outcome"].items() if v} == {(("outcome", "started"),)}
    assert before - 1 < metrics["coral_lock_report_timestamp_seconds"][()] < time.time() + 1
    assert metrics["coral_lock_exit_code"] == {(): 0}
    assert metrics["coral_lock_plugins"][(("status", "activated"),)] == 1
    assert sum(metrics["coral_lock_plugins"].values()) == 1
    assert path.stat().st_mode & 0o777 == 0o644
    machine.write("fail", "")
    machine.write("runtime.yaml", "services: {camera: x}\n")
    coral(machine, "run", "--locked", "--textfile", path, "--", "-c", "1").require(78)
    metrics = _metrics(path)
    assert metrics["coral_lock_exit_code"] == {(): 78}
    assert metrics["coral_lock_findings"][(("severity", "error"),)] == 1
    coral(machine, "verify", "--textfile", path).require(0)
    assert _metrics(path)["coral_lock_outcome"][(("outcome", "holds"),)] == 1
    assert sorted(each.name for each in machine.directory.iterdir()) == [
        *("coral.lock", "coral.prom", "fail", "runtime.yaml")
    ]


def test_a_textfile_that_cannot_be_written_is_a_warning(machine: Device) -> None:
    mine = machine.write("notes.txt", "mine")
    (machine.directory / "pipe").mkdir()
    (machine.directory / "link").symlink_to("absent.prom")
    for place, reason in (
        ("notes.txt", "it is a file of something else"),
        ("pipe", "not a regular file"),
        ("link", "it is a link"),
        ("absent/coral.prom", "No such file or directory; nothing was written"),
    ):
        path = machine.directory / place
        outcome = coral(machine, "init", "--locked", "--textfile", place).require(0)
        warning = f"`{path}` can't be written: {reason}"
        assert outcome.stderr == (
            f"warning: {warning}\n"
            "  hint: name a file in a directory that this user can write to with "
            "`--textfile FILE`\n"
            "started on onnx: 1 of 1 plugin active\n"
        )
        assert f"No device report as was asked for: {warning}" in outcome.json()["log_messages"]
    assert mine.read_text() == "mine"
    assert len(drained(machine)) == 4


def test_a_working_directory_that_was_removed_costs_no_start(machine: Device) -> None:
    script = 'mkdir gone; cd gone; rmdir ../gone; exec "$0" init --locked --no-config "$@"'
    words = ("--lock", machine.lock_path, "--textfile", "coral.prom")
    finished = subprocess.run(
        ["sh", "-ec", script, machine.environment.bin / "coral-runtime", *words],
        cwd=machine.directory,
        env=machine.variables(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr.startswith("warning: `coral.prom` can't be written: ")
    assert summary(only(machine)) == ("init", "started", 0)


def test_metrics_need_no_state_directory(machine: Device) -> None:
    path = machine.directory / "coral.prom"
    words = ("init", "--locked", "--textfile", path)
    coral(machine, *words, XDG_STATE_HOME="/proc/none").require(0)
    assert _metrics(path)["coral_lock_exit_code"] == {(): 0}


def test_a_clock_that_is_set_back_changes_neither_order_nor_age(machine: Device) -> None:
    coral(machine, "init", "--locked").require(0)
    latest = machine.state / "coral-lock" / "reports" / "latest.json"
    spooled = latest.parent / "spool" / f"{1:020d}.json"
    later = spooled.read_text().replace(f'"started": "{time.gmtime().tm_year}', '"started": "2099')
    spooled.write_text(later)
    coral(machine, "init", "--locked").require(0)
    first, second = drained(machine)
    assert first["started"] > second["started"]
    assert first["sequence"] < second["sequence"]
    assert first["age_s"] >= second["age_s"] >= 0
    assert os.listdir(spooled.parent) == []
