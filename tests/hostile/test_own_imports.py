"""What coral-lock imports: before the proof nothing of others, afterwards what was locked."""

from __future__ import annotations

import os
import py_compile
from pathlib import Path

import pytest

from coral_lock.cli.grammar import START_OPTIONS
from tests.conftest import MakeDevice
from tests.support.device import Device

DESCRIPTOR = """\
platform: rknn
program: {requires: [pyyaml]}
"""
EVIL = "import sys\nprint('EVIL', file=sys.stderr)\n"
WATCHER = """\
import sys
import coral_lock.start.locked as locked
from coral_lock.__main__ import main

before = set(sys.modules)
verdict_on = locked.verdict_on

def watched(*arguments, **options):
    verdict = verdict_on(*arguments, **options)
    foreign = {name.partition(".")[0] for name in set(sys.modules) - before}
    print("foreign:", sorted(foreign - set(sys.stdlib_module_names) - {"coral_lock"}),
        file=sys.stderr)
    return verdict

locked.verdict_on = watched
sys.exit(main(sys.argv[1:]))
"""
VALUES = {
    "config": "runtime.yaml",
    "set": "services={a: [1]}",
    "core-version": "0.0.4",
    "inference-version": "0.58.0",
    "lock": "coral.lock",
    "integrity": "full",
    "report": "report.json",
    "state-dir": "state",
    "device-id": "device-1",
    "textfile": "metrics.prom",
    "trust-dir": "trust",
}
NEEDED = {"trust-dir": ("--accepted", "--trust-dir=trust"), "no-config": ("--no-config",)}


@pytest.fixture
def machine(device: MakeDevice) -> Device:
    made = device("my-package==1.0.0")
    made.write("runtime.yaml", DESCRIPTOR)
    made.locked_once("--core-version=0.0.4", "--inference-version=0.58.0")
    return made


def _words(command: str, options: tuple[str, ...]) -> tuple[str, ...]:
    program = ("--", "python", "-c", "print('ran')") if command == "run" else ()
    return (command, "--locked", *options, *program)


@pytest.mark.parametrize("command", START_OPTIONS)
def test_nothing_of_others_is_imported_before_the_proof(machine: Device, command: str) -> None:
    watcher = machine.write("watcher.py", WATCHER)
    variables = {"CORAL_ENABLE_CAMERA": "0"}
    for option in START_OPTIONS[command]:
        value = VALUES[option.key] if option.metavar else None
        options = NEEDED.get(option.key) or (
            f"--{option.key}" + (f"={value}" if value else ""),
            *(("-c", "runtime.yaml") if option.key != "config" else ()),
        )
        outcome = machine.run("python", "-P", watcher, *_words(command, options), env=variables)
        assert "foreign: []\n" in outcome.stderr, (option.key, outcome.stderr)


@pytest.mark.parametrize("suffix", ["yaml", "json"])
@pytest.mark.parametrize("command", ["init", "run"])
def test_a_locked_reader_of_descriptors_is_changed(
    machine: Device, command: str, suffix: str
) -> None:
    machine.write("other.json", '{"platform": "rknn", "program": {"requires": ["pyyaml"]}}')
    machine.write("other.yaml", DESCRIPTOR)
    changed = machine.site_packages / "yaml" / "nodes.py"
    text = changed.read_text()
    for level in ("imports", "full"):
        words = _words(command, ("-c", f"other.{suffix}", "--integrity", level))
        machine.coral(*words).require(0)
        changed.write_text(EVIL + text)
        outcome = machine.coral(*words)
        changed.write_text(text)
        assert "EVIL" not in outcome.stderr
        assert outcome.code == (77 if command == "run" else 3), outcome.stderr
        assert (
            "error[digest-mismatch]: `yaml/nodes.py` of `pyyaml` isn't the file that was locked\n"
        ) in outcome.stderr
        assert "start refused: this machine doesn't match the lock; no plugin was run\n" in (
            outcome.stderr
        )
        if command == "init":
            assert outcome.json()["outcome"] == "refused"


@pytest.mark.parametrize("level", ["imports", "full"])
def test_what_the_reader_would_do_without_is_refused(machine: Device, level: str) -> None:
    (machine.site_packages / "yaml" / "cyaml.py").write_text(EVIL)
    outcome = machine.coral(*_words("run", ("--integrity", level))).require(77)
    assert "EVIL" not in outcome.stderr
    assert "error[digest-mismatch]: `yaml/cyaml.py` of `pyyaml`" in outcome.stderr


@pytest.mark.parametrize("command", ["init", "run"])
@pytest.mark.parametrize("level", ["imports", "full"])
def test_what_is_planted_for_the_reader_is_not_there(
    machine: Device, command: str, level: str
) -> None:
    planted = machine.site_packages / "yaml" / "nodes"
    planted.mkdir()
    (planted / "__init__.py").write_text(EVIL)
    _forge_bytecode(machine.site_packages / "yaml" / "tokens.py")
    outcome = machine.coral(*_words(command, ("--integrity", level))).require(0)
    assert "EVIL" not in outcome.stderr


def _forge_bytecode(source: Path) -> None:
    """Write bytecode of other code that has the time and the size of the source."""
    text, times = source.read_bytes(), source.stat()
    source.write_bytes(EVIL.encode() + b"#" * (len(text) - len(EVIL)))
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    py_compile.compile(str(source), doraise=True)
    source.write_bytes(text)
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_program_that_embeds_us_reads_its_descriptor_from_what_was_locked(
    machine: Device,
) -> None:
    program = machine.write(
        "program.py", "import coral_lock\ncoral_lock.init('runtime.yaml')\nprint('ran')\n"
    )
    assert machine.run("python", program).require(0).stdout == "ran\n"
    with open(machine.site_packages / "yaml" / "nodes.py", "a") as file:
        file.write(EVIL)
    outcome = machine.run("python", program)
    assert (outcome.code, outcome.stdout) == (1, "")
    assert "EVIL" not in outcome.stderr
    assert "StartError: the start was refused" in outcome.stderr


def test_closed_hides_what_nobody_locked_from_programs_only(device: MakeDevice) -> None:
    made = device("my-package==1.0.0")
    made.write("runtime.yaml", "platform: rknn\n")
    made.locked_once("--core-version=0.0.4", "--inference-version=0.58.0")
    made.coral("init", "--locked", "--closed").require(0)
    program = ("--", "python", "-c", "import sys; sys.modules.pop('yaml'); import yaml")
    outcome = made.coral("run", "--locked", "--closed", *program)
    assert "No module named 'yaml'" in outcome.stderr
