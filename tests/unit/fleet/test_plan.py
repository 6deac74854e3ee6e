"""`fleet plan`: what a new lock changes for which devices, and which of them can't take it."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from coral_lock.document.schema import schema_text
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.text import write_lock
from tests.support.device_reports import device_report, ndjson, refusal
from tests.support.environments import clean_environment
from tests.support.in_process import WorkingDirectory
from tests.support.locks import lock_of_targets, sample_lock
from tests.unit.test_schemas import validator

NOW = ("--now", "2026-11-26T12:00:00Z")
JETSON = {"python": "3.10.12", "platform": "manylinux_2_35_aarch64"}
OLD_BOARD = {"python": "3.9.2", "platform": "manylinux_2_31_armv7l"}


def _upgraded(lock: Lock) -> Lock:
    package, *others = lock.distributions
    return lock.replace(distributions=(package.replace(version="1.1.0"), *others))


def _sha256(lock: Lock) -> str:
    return hashlib.sha256(write_lock(lock).encode()).hexdigest()


OLD = sample_lock()
NEW = _upgraded(OLD)


@pytest.fixture
def work(tmp_path: Path) -> WorkingDirectory:
    work = WorkingDirectory(directory=tmp_path)
    (tmp_path / "old").mkdir()
    work.write("old/1.lock", write_lock(OLD))
    work.write("old/readme", "not a lock")
    work.write("coral.lock", write_lock(NEW))
    return work


def _write_reports(work: WorkingDirectory, fleet: dict[str, dict[str, Any]]) -> None:
    reports = (device_report(device, changes=changes) for device, changes in fleet.items())
    work.write("reports.ndjson", ndjson(*reports))


def _runs(lock: Lock, **changes: Any) -> dict[str, Any]:
    return {"lock": {"sha256": _sha256(lock)}, **changes}


def test_what_a_lock_without_targets_changes(work: WorkingDirectory) -> None:
    package = {"distribution": "inference", "version": "0.9.1"}
    _write_reports(
        work,
        {
            "edge-0001": _runs(OLD),
            "edge-0002": _runs(OLD, **refusal()),
            "edge-0003": _runs(NEW),
            "edge-0004": {"lock": {"sha256": "f" * 64}},
            "edge-0005": {"lock": {"sha256": None}},
            "edge-0006": _runs(OLD, machine=OLD_BOARD),
            "edge-0007": _runs(OLD, host={"core": None, "inference": package}),
            "edge-0008": _runs(OLD, machine={"python": "three\x1b", "platform": "any"}),
            "stranger": _runs(OLD),
        },
    )
    work.write("hosts", "".join(f"edge-{number:04}\n" for number in range(1, 10)))
    words = ("--inventory", "hosts", "--old-locks", "old", *NOW)
    outcome = work.coral("fleet", "plan", "reports.ndjson", *words).require(1)
    old, new = _sha256(OLD)[:12], _sha256(NEW)[:12]
    assert outcome.stdout == (
        f"{new}: 2 to change, 1 on it already, 3 that can't take it, 2 on an unknown lock, "
        "1 silent, 1 not in the inventory\n"
        "can't take it, host-drift: 1 device: edge-0007\n"
        "  it is for coral-inference 0.0.4, which it doesn't bring, found none\n"
        "can't take it, host-drift: 1 device: edge-0007\n"
        "  it is for inference 0.58.0, which it doesn't bring, found inference 0.9.1\n"
        "can't take it, platform-drift: 1 device: edge-0008\n"
        "  nobody knows which wheels fit Python `three\\x1b` on `any`\n"
        "can't take it, python-drift: 1 device: edge-0006\n"
        "  it is for Python 3.11, found 3.9\n"
        f"from {old}: 2 devices, 1 of them red now: edge-0002, edge-0001\n"
        "  my-package\n"
        "    ~ `my-package` is upgraded: 1.0.0 → 1.1.0\n"
        "from a lock that is missing or can't be read: 1 device: edge-0005\n"
        "  nobody knows which lock they run\n"
        "from ffffffffffff: 1 device: edge-0004\n"
        "  can't be compared, as nobody has the lock that they run\n"
        "silent: 1 device, 1 of them red now: edge-0009\n"
        "not in the inventory: 1 device, 1 of them red now: stranger\n"
        "unchanged: 1 device: edge-0003\n"
    )


def test_each_device_gets_the_part_of_its_target(work: WorkingDirectory) -> None:
    old = lock_of_targets()
    backend = old.plugins[0].replace(description="Faster on this board")
    new = _upgraded(old).replace(plugins=(backend, old.plugins[1]))
    work.write("old/2.lock", write_lock(old))
    work.write("coral.lock", write_lock(new))
    _write_reports(
        work,
        {
            "jetson-1": _runs(old, machine=JETSON),
            "jetson-2": _runs(old, machine=JETSON),
            "server-1": _runs(old),
            "server-2": {"lock": {"sha256": None}},
            "board-1": _runs(old, machine=OLD_BOARD),
        },
    )
    words = ("--old-locks", "old", "--output-format", "json", *NOW)
    document = json.loads(work.coral("fleet", "plan", "reports.ndjson", *words).require(1).stdout)
    validator("fleet-plan").validate(document)
    change = {**json.loads(schema_text("diff")), "required": [], "$ref": "#/$defs/change"}
    del change["properties"], change["additionalProperties"]
    for each in document["steps"]:
        for found_change in each["changes"]:
            Draft202012Validator(change).validate(found_change)
    form = ("--output-format", "markdown", "--output-file", "plan.md")
    written = work.coral(
        "fleet", "plan", "reports.ndjson", "--old-locks", "old", *form, *NOW
    ).require(1)
    assert written.stderr.startswith(f"wrote plan.md: {_sha256(new)[:12]}: 3 to change, 1 that")
    row = "| have a lock that is missing or can't be read | 1 | <code>server-2</code> |"
    assert row in (work.directory / "plan.md").read_text()
    found = {
        step["target"]: (step["devices"], {change["subject"] for change in step["changes"]})
        for step in document["steps"]
    }
    assert found.keys() == {"jetson", "server"}
    assert found["jetson"] == (2, {"my-package", "backends:rknn"})
    assert found["server"] == (1, {"my-package"})
    assert document["obstacles"] == [
        {
            "code": "target-uncovered",
            "reason": "no target of the lock matches this environment: "
            "Python 3.9.2, Linux on armv7l, glibc 2.31",
            "devices": 1,
            "red": 0,
            "examples": ["board-1"],
        }
    ]


def test_a_wheel_that_a_machine_lacks(work: WorkingDirectory) -> None:
    package, numpy, backend = OLD.distributions
    digest = {"cp311-cp311-manylinux_2_17_x86_64": package.digests["py3-none-any"]}
    new = OLD.replace(distributions=(package, numpy.replace(digests=digest), backend))
    work.write("coral.lock", write_lock(new))
    machine = {"python": "3.11.7", "platform": "manylinux_2_36_aarch64"}
    _write_reports(work, {"edge-0001": _runs(OLD, machine=machine), "edge-0002": _runs(OLD)})
    words = ("--old-locks", "old", "--output-format", "markdown", *NOW)
    text = work.coral("fleet", "plan", "reports.ndjson", *words).require(1).stdout
    row = "it has no wheel of <code>numpy</code> for Linux on aarch64, glibc 2.36"
    assert f"| <code>platform-drift</code> | {row} | 1 | <code>edge-0001</code> |" in text
    assert "**1 device can't take it**" in text


def test_a_host_that_the_lock_brings_is_no_obstacle(work: WorkingDirectory) -> None:
    brought = OLD.distributions[0].replace(name="coral-inference", version="0.0.4", requires=())
    new = NEW.replace(
        host=NEW.host.replace(inference=None), distributions=(*NEW.distributions, brought)
    )
    work.write("coral.lock", write_lock(new))
    _write_reports(work, {"edge-0001": _runs(OLD, host={"core": None, "inference": None})})
    words = ("--old-locks", "old", *NOW)
    assert "1 to change" in work.coral("fleet", "plan", "reports.ndjson", *words).require(0).stdout


def test_locks_that_git_knows(work: WorkingDirectory) -> None:
    def git(*words: str) -> None:
        options = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        subprocess.run(
            ("git", *options, *words), cwd=work.directory, check=True, env=clean_environment()
        )

    git("init", "--quiet")
    work.write("first.lock", write_lock(OLD))
    git("add", "first.lock")
    git("commit", "--quiet", "--message", "Lock")
    git("mv", "-f", "first.lock", "coral.lock")
    git("commit", "--quiet", "--message", "Rename the lock")
    work.write("coral.lock", write_lock(NEW))
    git("commit", "--quiet", "--all", "--message", "Upgrade")
    _write_reports(work, {"edge-0001": _runs(OLD)})
    text = work.coral("fleet", "plan", "reports.ndjson", "--git", *NOW).require(0).stdout
    assert "    ~ `my-package` is upgraded: 1.0.0 → 1.1.0\n" in text
    unknown = work.coral("fleet", "plan", "reports.ndjson", *NOW).require(0).stdout
    assert unknown.endswith("can't be compared, as nobody has the lock that they run\n")
    hint = "hint: `--old-locks DIR` or `--git` finds the locks that devices run\n"
    assert work.coral("fleet", "plan", "reports.ndjson", *NOW).stderr == hint


def test_a_device_that_says_that_another_file_is_its_lock(work: WorkingDirectory) -> None:
    digest = hashlib.sha256(b"not a lock").hexdigest()
    _write_reports(work, {"edge-0001": _runs(OLD), "edge-0002": {"lock": {"sha256": digest}}})
    words = ("--old-locks", "old", *NOW)
    outcome = work.coral("fleet", "plan", "reports.ndjson", *words).require(0)
    assert ": 1 to change, 1 on an unknown lock\n" in outcome.stdout
    warning = "warning: devices say that their lock is old/readme, which isn't a lock\n"
    assert outcome.stderr == warning


def test_reports_that_cannot_be_used_are_mentioned(work: WorkingDirectory) -> None:
    work.write("reports.ndjson", "{\n")
    outcome = work.coral("fleet", "plan", "reports.ndjson", *NOW).require(0)
    assert outcome.stdout == f"{_sha256(NEW)[:12]}: no devices\n"
    assert outcome.stderr == (
        "warning: 1 report can't be used: see what `coral-runtime fleet summarize` says of them\n"
    )
    outside = work.coral("fleet", "plan", "reports.ndjson", "--git").require(2)
    assert outside.stderr.startswith("error: git knows of no work tree here\n  found: not a git")
    assert f"  where: {work.directory}\n  hint: run the command in a clone" in outside.stderr
    missing = work.coral("fleet", "plan", "reports.ndjson", "--old-locks", "none").require(2)
    assert missing.stderr.startswith("error: there is no directory of locks\n  where: none\n")
