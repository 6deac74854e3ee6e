"""A start that insists on the accepted lock: by `init`, `run`, `verify`, and in children."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from coral_lock.signing.accepted import AcceptedLock, Channel, accepted_text
from tests.conftest import MakeDevice
from tests.support.device import Device

HOSTS = ("coral-inference==0.0.4", "inference==0.58.0")
TRUST = ("--accepted", "--trust-dir=trust")
KEY = "a" * 64


@pytest.fixture
def machine(device: MakeDevice) -> Device:
    """A device with a lock that it has accepted."""
    made = device("my-package==1.0.0", *HOSTS)
    made.locked_once()
    (made.directory / "trust").mkdir(mode=0o755)
    accept(made, made.lock_path.read_bytes())
    return made


def accept(machine: Device, lock: bytes) -> None:
    """Write down that a device has accepted a lock."""
    sha256 = hashlib.sha256(lock).hexdigest()
    accepted = AcceptedLock(sha256=sha256, serial=7, signers=(KEY,), rollback="the camera fails")
    record = machine.write(
        "trust/accepted.json", accepted_text({"beta": Channel(accepted=accepted)})
    )
    record.chmod(0o644)


def test_the_accepted_lock_starts_and_the_report_says_so(machine: Device) -> None:
    report = machine.coral("init", "--locked", *TRUST).require(0).json()
    message = (
        "Accepted: serial 7 of beta, signed by aaaaaaaaaaaa, although it is older: the camera fails"
    )
    assert message in report["log_messages"]
    # Readers of earlier reports find in it what they know, and nothing else.
    assert list(report["lock"]) == ["path", "sha256", "integrity", "target"]
    shown = machine.coral("report", "show").require(0).json()
    assert shown["lock"]["accepted"] == {
        "channel": "beta",
        "serial": 7,
        "signers": [KEY],
        "rollback": "the camera fails",
    }
    assert machine.coral("verify", *TRUST).require(0).stdout == ""


def test_no_other_lock_starts(machine: Device) -> None:
    accept(machine, b"another")
    outcome = machine.coral("init", "--locked", *TRUST).require(3)
    refusal = (
        "error[lock-not-accepted]: `coral.lock` isn't the lock that was accepted on this device\n"
        f"  expected: sha256 {hashlib.sha256(b'another').hexdigest()}\n"
        f"  found: sha256 {hashlib.sha256(machine.lock_path.read_bytes()).hexdigest()}\n"
        "  where: coral.lock\n"
        "  hint: restore the lock that was accepted, or accept this one with its signature: "
        "`coral-runtime accept`\n"
        "start refused: this machine doesn't match the lock; no plugin was run\n"
    )
    assert outcome.stderr == refusal
    assert outcome.json()["outcome"] == "refused"
    outcome = machine.coral("run", "--locked", *TRUST, "--", "python", "-c", "print(1)").require(77)
    assert (outcome.stdout, outcome.stderr) == ("", refusal)
    outcome = machine.coral("verify", *TRUST, "--output-format=json").require(3)
    (finding,) = outcome.json()["findings"]
    assert (finding["code"], finding["where"]) == ("lock-not-accepted", "coral.lock")
    # Nobody asked.
    machine.coral("init", "--locked").require(0)


def test_what_else_is_wrong_is_said_too(machine: Device) -> None:
    accept(machine, b"another")
    machine.install("acme-object")
    report = machine.coral("init", "--locked", *TRUST).require(3).json()
    assert [finding["code"] for finding in report["findings"]] == [
        "unlocked-plugin",
        "lock-not-accepted",
    ]


def test_a_program_that_embeds_us_insists_too(machine: Device) -> None:
    code = (
        "import coral_lock, sys\n"
        "try:\n"
        "    coral_lock.init(accepted=True, trust_directory=sys.argv[1])\n"
        "except coral_lock.StartError as error:\n"
        "    print(error.exit_code, [f.code for f in error.report.findings])\n"
        "else:\n"
        "    print('started')\n"
    )
    machine.write("app.py", code)
    assert machine.run("python", "app.py", "trust").require(0).stdout == "started\n"
    assert machine.run("python", "app.py", "none").require(0).stdout == (
        "3 ['lock-not-accepted']\n"
    )


def test_children_are_under_the_same_rule(machine: Device) -> None:
    """A child that starts after another lock was accepted reads the record again."""
    (machine.directory / "elsewhere").mkdir()
    child = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', CHILD]))"
    code = f"import os; os.chdir('elsewhere'); CHILD = 'import my_package'; {child}"
    command = ("run", "--locked", *TRUST, "--", "python", "-c")
    machine.coral(*command, code).require(0)
    change = "open('trust/accepted.json', 'w').write('')"
    outcome = machine.coral(*command, f"{change}; {code}").require(77)
    trust = machine.directory / "trust"
    assert (
        f"error[lock-not-accepted]: nothing says that `{machine.lock_path}` was accepted: the "
        "record is damaged: line 1: expecting value\n"
        f"  where: {trust / 'accepted.json'}\n"
    ) in outcome.stderr


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (
            ("init", "--accepted"),
            "`--accepted` needs `--locked`: without it, no lock is read",
            "write `coral-runtime init --locked`",
        ),
        (
            ("init", "--trust-dir=trust"),
            "`--trust-dir` needs `--locked`: without it, no lock is read",
            "write `coral-runtime init --locked`",
        ),
        *(
            (
                (command, "--trust-dir=trust"),
                "`--trust-dir` needs `--accepted`: without it, nothing is looked up there",
                "add `--accepted`, or remove it",
            )
            for command in ("init --locked", "verify")
        ),
    ],
)
def test_what_needs_what(machine: Device, words: tuple[str, ...], message: str, hint: str) -> None:
    outcome = machine.coral(*words[0].split(), *words[1:]).require(2)
    assert outcome.stderr == f"error: {message}\n  hint: {hint}\n"


def test_the_default_directory(machine: Device) -> None:
    if Path("/var/lib/coral-lock").exists():
        pytest.skip("this machine has accepted a lock")
    outcome = machine.coral("init", "--locked", "--accepted").require(3)
    (finding,) = json.loads(outcome.stdout)["findings"]
    assert (finding["summary"], finding["where"]) == (
        "nothing says that `coral.lock` was accepted: there is no record of it",
        "/var/lib/coral-lock/accepted.json",
    )
