"""What Python runs at every start, before anything is checked: hashed first, or reported."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.conftest import MakeDevice
from tests.support.device import Device, Outcome
from tests.support.handmade_wheels import make_wheel
from tests.support.hostile_plugins import EVIL, install, make_library_with, make_plugin_with

STARTUP = {"evil.pth": "\n", "evil.start": "", "sitecustomize.py": "", "usercustomize/mod.py": ""}
LEVELS = ("metadata", "imports", "full")
HELPER = {"helper.pth": "import helper_hook\n", "helper_hook.py": "HOOK = True\n"}


@pytest.fixture
def machine(device: MakeDevice, tmp_path: Path) -> Device:
    """A machine with a plugin, locked."""
    made = device()
    install(made, make_plugin_with(tmp_path, {}))
    made.locked_once(of="the plugin")
    return made


@pytest.fixture
def hooked(device: MakeDevice, tmp_path: Path) -> Device:
    """A machine whose plugin requires a library that runs at every start, locked."""
    made = device()
    wheels = (
        make_plugin_with(tmp_path, {}, requires="helper"),
        make_library_with(tmp_path, HELPER),
    )
    install(made, *wheels)
    made.locked_once(of="the plugin and the library")
    return made


TRACER = {
    "tracer/__init__.py": "TRACED = []\n",
    "tracer/auto/sitecustomize.py": "import tracer\ntracer.TRACED.append(__file__)\n",
    "tracer/empty/__init__.py": "",
}
SHOW = "import sys, tracer; print([each.rpartition('/')[2] for each in tracer.TRACED])\n"
CHILD = (
    "import os, subprocess, sys\n"
    "os.environ['PYTHONPATH'] = sys.argv[1]\n"
    "sys.exit(subprocess.run([sys.executable, sys.argv[2]]).returncode)\n"
)


@pytest.fixture
def traced(device: MakeDevice, tmp_path: Path) -> Device:
    """A machine with a tool that has its `sitecustomize` imported by PYTHONPATH, locked."""
    made = device()
    install(made, make_wheel(tmp_path, "tracer", TRACER))
    made.write("runtime.yaml", "program: {requires: [tracer]}\n")
    made.write("show.py", SHOW)
    made.write("child.py", CHILD)
    made.locked("-c", "runtime.yaml")
    return made


WAYS = ("the program", "a child")


def run_traced(machine: Device, way: str, directory: Path, *options: str) -> Outcome:
    """Run a program that shows what was traced, or one that starts it."""
    run = ("run", "--locked", "-c", "runtime.yaml", "--report", "report.json", *options, "--")
    if way == "a child":
        return machine.coral(*run, "child.py", directory, "show.py")
    return machine.coral(*run, "show.py", env={"PYTHONPATH": str(directory)})


@pytest.mark.parametrize("way", WAYS)
def test_a_locked_one_on_the_path_runs_as_under_plain_python(traced: Device, way: str) -> None:
    directory = traced.site_packages / "tracer" / "auto"
    plain = traced.run("python", "show.py", env={"PYTHONPATH": str(directory)}).require(0)
    assert plain.stdout == "['sitecustomize.py']\n"
    locked = run_traced(traced, way, directory).require(0)
    assert (locked.stdout, "warning" in locked.stderr) == (plain.stdout, False)
    (directory / "sitecustomize.py").write_text(EVIL)
    refused = run_traced(traced, way, directory).require(77)
    assert "error[digest-mismatch]: `tracer/auto/sitecustomize.py`" in refused.stderr


@pytest.mark.parametrize("way", WAYS)
def test_one_that_is_added_to_a_locked_package_is_not_there(traced: Device, way: str) -> None:
    """Nor does one beside the program run, where Python doesn't look."""
    directory = traced.site_packages / "tracer" / "empty"
    (directory / "sitecustomize.py").write_text(EVIL)
    traced.write("sitecustomize.py", EVIL)
    done = run_traced(traced, way, directory).require(0)
    assert (done.stdout, "EVIL" in done.stderr) == ("[]\n", False)


@pytest.mark.parametrize("way", WAYS)
def test_an_unlocked_one_on_the_path_is_reported(traced: Device, tmp_path: Path, way: str) -> None:
    directory = tmp_path / "path"
    directory.mkdir()
    place = directory / "sitecustomize.py"
    place.write_text("import sys, tracer\ntracer.TRACED.append(tracer.__loader__.__module__)\n")
    done = run_traced(traced, way, directory).require(0)
    assert done.stderr.count(told("sitecustomize.py")) == 1
    # What it imports is under the lock: it doesn't run before that.
    assert "coral_lock" in done.stdout
    report = json.loads((traced.directory / "report.json").read_text())
    assert [(each["code"], each["where"]) for each in report["findings"]] == [
        ("unlocked-startup", str(place))
    ]


def told(name: str) -> str:
    return (
        f"warning[unlocked-startup]: `{name}` runs at every start of Python, before anything is "
        "checked, and no locked distribution ships it\n"
    )


def test_what_coral_lock_ships_itself_is_no_finding(machine: Device) -> None:
    for name in ("coral_lock.pth", "coral_lock.start"):
        assert (machine.site_packages / name).exists()
    assert machine.coral("verify").require(0).stderr == (
        "coral.lock holds: 1 plugin, 1 distribution, integrity full\n"
    )
    assert machine.coral("init", "--locked").require(0).json()["findings"] == []


def test_a_file_that_nobody_locked_is_reported(machine: Device) -> None:
    for path, text in STARTUP.items():
        place = machine.site_packages / path
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)
    names = ["evil.pth", "evil.start", "sitecustomize.py", "usercustomize"]
    for level in LEVELS:
        verified = machine.coral("verify", "--integrity", level).require(0)
        assert all(told(name) in verified.stderr for name in names)
    report = machine.coral("init", "--locked").require(0).json()
    found = [each for each in report["findings"] if each["code"] == "unlocked-startup"]
    assert [(each["subject"], each["where"]) for each in found] == [
        (name, str(machine.site_packages / name)) for name in names
    ]
    outside = machine.coral("verify", "--site-packages", machine.site_packages).require(0)
    assert told("evil.pth") in outside.stderr


def test_only_what_python_runs_counts(machine: Device, tmp_path: Path) -> None:
    directory = tmp_path / "path"
    directory.mkdir()
    (directory / "evil.pth").write_text("\n")
    (machine.site_packages / "sitecustomize.txt").write_text("")
    (machine.site_packages / "evil.pth.bak").write_text("")
    (machine.site_packages / "lib").mkdir()
    (machine.site_packages / "lib" / "evil.pth").write_text("\n")
    variables = {"PYTHONPATH": str(directory)}
    assert "unlocked-startup" not in machine.coral("verify", env=variables).require(0).stderr
    (directory / "usercustomize.py").write_text("")
    assert told("usercustomize.py") in machine.coral("verify", env=variables).require(0).stderr


def test_what_an_unlocked_distribution_lists_is_reported(machine: Device, tmp_path: Path) -> None:
    install(machine, make_library_with(tmp_path, HELPER))
    assert told("helper.pth") in machine.coral("verify").require(0).stderr
    assert told("helper.pth") in machine.coral("init", "--locked").require(0).stderr


def test_what_is_locked_is_told_by_verify_alone(hooked: Device) -> None:
    verified = hooked.coral("verify").require(0)
    assert "unlocked-startup" not in verified.stderr
    assert (
        "warning[pth-file]: `helper` ships `helper.pth`, which runs at every start of Python, "
        "locked or not\n"
    ) in verified.stderr
    for level in LEVELS:
        report = hooked.coral("init", "--locked", "--integrity", level).require(0).json()
        assert report["findings"] == []


@pytest.mark.parametrize("path", HELPER)
@pytest.mark.parametrize("has_true_record", [False, True])
def test_what_is_locked_is_hashed_first_at_every_level(
    hooked: Device, path: str, has_true_record: bool
) -> None:
    (hooked.site_packages / path).write_text(HELPER[path] + "EVIL = True\n")
    if has_true_record:
        record = hooked.site_packages / "helper-1.0.dist-info" / "RECORD"
        rows = record.read_text().splitlines(keepends=True)
        record.write_text("".join(f"{path},,\n" if row.startswith(path) else row for row in rows))
    for level in LEVELS:
        for words in (("verify",), ("init", "--locked")):
            refused = hooked.coral(*words, "--integrity", level).require(3)
            assert "error[digest-mismatch]: `helper" in refused.stderr


def test_a_row_in_a_locked_record_locks_nothing(hooked: Device) -> None:
    (hooked.site_packages / "evil.pth").write_text("import os\n")
    with open(hooked.site_packages / "helper-1.0.dist-info" / "RECORD", "a") as record:
        record.write("evil.pth,,\n")
    for level in LEVELS:
        refused = hooked.coral("init", "--locked", "--integrity", level).require(3)
        assert "error[digest-mismatch]: `helper` isn't what was locked" in refused.stderr


def test_what_is_accepted_is_hashed_all_the_same(hooked: Device) -> None:
    said = "warning[pth-file]: `helper` ships `helper.pth`"
    assert said in hooked.coral("lock").require(0).stderr
    accept = "--set=distributions.helper.accept=[pth-file]"
    assert "[pth-file]" not in hooked.coral("lock", accept).require(0).stderr
    assert "pth-file" not in hooked.coral("verify").require(0).stderr
    (hooked.site_packages / "helper_hook.py").write_text("EVIL = True\n")
    hooked.coral("init", "--locked", "--integrity", "metadata").require(3)


def test_what_was_removed_is_missing(hooked: Device) -> None:
    (hooked.site_packages / "helper.pth").unlink()
    assert "error[file-missing]: `helper.pth` of `helper`" in (
        hooked.coral("verify").require(3).stderr
    )


@pytest.mark.parametrize("name", ["hashlib.py", "__future__.py", "coral_lock.py", "click", "yaml"])
def test_a_module_beside_the_commands(machine: Device, tmp_path: Path, name: str) -> None:
    """Of a distribution that nobody locked, or of none at all."""
    path = name if "." in name else f"{name}/__init__.py"
    install(machine, make_library_with(tmp_path, {f"DATA/data/bin/{path}": EVIL}))
    assert (machine.environment.bin / path).exists()
    for words in (("verify",), ("init", "--locked")):
        refused = machine.run("python", "-I", "-m", "coral_lock", *words).require(1)
        assert (
            f"error[shadowing-script]: `{name}` is beside the commands, which would import it "
            "instead of the module of that name\n"
            f"  where: {machine.environment.bin / name}\n"
        ) in refused.stderr
        assert "EVIL" not in refused.stderr


def test_common_scripts_are_no_finding(machine: Device) -> None:
    for name in ("jp.py", "json", "acme.so"):
        (machine.environment.bin / name).write_text("")
    os.mkdir(machine.environment.bin / "acme")
    machine.coral("verify").require(0)
    document = machine.coral("verify", "--output-format", "json").require(0)
    assert json.loads(document.stdout)["findings"] == []


@pytest.mark.parametrize("name", ["LD_PRELOAD", "LD_AUDIT"])
def test_a_variable_that_puts_libraries_into_each_process(machine: Device, name: str) -> None:
    machine.write("program.py", "print('ran')\n")
    for words, code in (
        (("verify",), 1),
        (("init", "--locked"), 1),
        (("init", "--locked", "--integrity", "metadata"), 1),
        (("run", "--locked", "--", "program.py"), 78),
    ):
        refused = machine.coral(*words, env={name: "/absent/evil.so"}).require(code)
        assert (
            f"error[loader-preload]: `{name}` puts libraries into every process, and no lock "
            "covers them\n  expected: nothing\n  found: /absent/evil.so\n"
        ) in refused.stderr
        assert "ran" not in refused.stdout
        assert "loader" not in machine.coral(*words, env={name: ""}).require(0).stderr


def test_a_variable_that_says_where_libraries_are(machine: Device) -> None:
    variables = {"LD_LIBRARY_PATH": "/absent"}
    told = (
        "warning[loader-path]: `LD_LIBRARY_PATH` says where libraries are searched for first, "
        "and no lock covers what is there\n  expected: nothing\n  found: /absent\n"
    )
    program = ("run", "--locked", "--", "-c", "print('ran')")
    for words in (("verify",), ("init", "--locked"), program):
        assert told in machine.coral(*words, env=variables).require(0).stderr
    outside = machine.coral("verify", "--python", machine.environment.python, env=variables)
    assert "loader-path" not in outside.require(0).stderr


def test_what_the_loader_is_told_is_accepted_as_it_was_locked(machine: Device) -> None:
    variables = {"LD_PRELOAD": "/absent/evil.so", "LD_LIBRARY_PATH": "/absent"}
    codes = ["loader-path", "loader-preload"]
    accept = "--set=distributions.acme.accept=[{}]".format
    for accepted in (codes[:1], codes[1:], codes):
        machine.coral("lock", accept(",".join(accepted))).require(0)
        verified = machine.coral("verify", env=variables)
        assert [code for code in codes if f"[{code}]" not in verified.stderr] == accepted
        assert verified.code == int(codes[1] not in accepted)
    ran = machine.coral("run", "--locked", "--", "-c", "print('ran')", env=variables).require(0)
    assert (ran.stdout, "loader" in ran.stderr) == ("ran\n", False)
