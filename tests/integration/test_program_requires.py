"""What the program itself requires: locked like what a plugin requires, and importable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import MakeDevice
from tests.support.device import Device
from tests.support.environments import install_with_uv
from tests.support.handmade_wheels import make_wheel
from tests.support.in_process import WorkingDirectory

PROGRAM = "the program's wheels"
DESCRIPTOR = "program: {requires: ['my-app>=1']}\n"


def make_wheels(directory: Path) -> list[Path]:
    return [
        make_wheel(directory, "my-app", {"my_app.py": "import my_lib\n"}, requires="my-lib"),
        make_wheel(directory, "my-lib", {"my_lib.py": "import my_extra\n"}),
        make_wheel(directory, "my-extra", {"my_extra.py": ""}),
    ]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    directory = tmp_path / "house"
    directory.mkdir()
    make_wheels(directory)
    return directory


@pytest.fixture
def work(tmp_path: Path) -> WorkingDirectory:
    made = WorkingDirectory(directory=tmp_path)
    made.write("runtime.yaml", DESCRIPTOR)
    return made


def _programs(work: WorkingDirectory | Device) -> dict[str, bool]:
    distributions = json.loads(work.lock_path.read_text())["distributions"]
    return {name: each.get("program", False) for name, each in distributions.items()}


def test_it_is_locked_from_wheels(work: WorkingDirectory, house: Path) -> None:
    work.coral("lock", "--wheels", "house").require(0)
    assert _programs(work) == {"my-app": True, "my-lib": False}
    work.coral("lock", "--check", "--wheels", "house").require(0)
    work.coral("lock", "--wheels", "house", "--set", "program.requires=my-lib").require(0)
    assert _programs(work) == {"my-lib": True}


def test_a_version_that_it_requires_is_chosen(work: WorkingDirectory, house: Path) -> None:
    make_wheel(house, "my-app", {"my_app.py": ""}, version="2.0")
    work.coral("lock", "--wheels", "house", "--set", "program.requires=my-app<2").require(0)
    assert json.loads(work.lock_path.read_text())["distributions"]["my-app"]["version"] == "1.0"
    outcome = work.coral("lock", "--wheels", "house", "--set", "program.requires=my-app<1")
    assert (
        "error[no-solution]: no version of `my-app` meets all requirements: "
        "the program requires `my-app<1`\n"
        "  expected: `my-app<1`\n"
        "  found: my-app 2.0, 1.0\n"
        "  where: --set program.requires=my-app<1\n"
    ) in outcome.require(1).stderr


@pytest.mark.parametrize(
    ("requires", "message"),
    [
        ("nowhere", "the program requires `nowhere`, and `nowhere` has no wheel\n"),
        ("my-app>", "the program requires `my-app> (a requirement that isn't PEP 508)`\n"),
    ],
)
def test_what_cannot_be_met_is_an_error(
    work: WorkingDirectory, house: Path, requires: str, message: str
) -> None:
    outcome = work.coral("lock", "--wheels", "house", "--set", f"program.requires={requires}")
    assert f"error[requirement-unmet]: {message}" in outcome.require(1).stderr


class TestDevice:
    @pytest.fixture
    def machine(self, device: MakeDevice, tmp_path: Path) -> Device:
        made = device()
        wheels = make_wheels(tmp_path)
        install_with_uv(made.environment, *wheels, wheelhouse=tmp_path)
        made.write("runtime.yaml", DESCRIPTOR)
        made.write("program.py", "import my_app, my_lib\nprint('ran')\n")
        return made

    def test_its_changes_are_shown(self, machine: Device) -> None:
        machine.locked("--no-config")
        machine.lock_path.rename(machine.directory / "old.lock")
        machine.locked("--set", "program.requires=my-lib")
        machine.lock_path.rename(machine.directory / "library.lock")
        machine.locked()
        for old, line in (
            ("old.lock", "! `my-app` is added"),
            ("library.lock", "- the program itself no longer requires `my-lib`"),
        ):
            assert line in machine.coral("diff", old, "coral.lock").require(0).stdout

    def test_a_closed_start_runs_it(self, machine: Device) -> None:
        start, program = ("run", "--locked", "--closed"), ("--", "program.py")
        machine.locked_once(of=PROGRAM)
        outcome = machine.coral(*start, *program)
        assert outcome.code == 1
        assert "No module named 'my_extra'" in outcome.stderr
        settings = ("--set", "program.requires=my-app, my-extra")
        machine.locked(*settings)
        assert machine.coral(*start, *settings, *program).require(0).stdout == "ran\n"
        (machine.site_packages / "my_lib.py").write_text("print('evil')\n")
        outcome = machine.coral(*start, *settings, *program).require(77)
        assert "evil" not in outcome.stdout
        assert "error[digest-mismatch]: `my_lib.py` of `my-lib` isn't the file" in outcome.stderr

    @pytest.mark.parametrize("words", [("-m", "my_extra"), ("starts_extra.py",)])
    def test_a_closed_start_says_that_a_module_is_hidden(
        self, machine: Device, words: tuple[str, ...]
    ) -> None:
        machine.locked_once(of=PROGRAM)
        machine.write("starts_extra.py", "from my_extra import main\n")
        outcome = machine.coral("run", "--locked", "--closed", "--", *words)
        assert outcome.code == 1
        assert (
            "error: `my_extra` can't be imported: the lock doesn't name its distribution, so "
            "`--closed` hides it\n"
            f"  where: {machine.site_packages / 'my_extra.py'}\n"
            "  hint: add the distribution to `program.requires` in the descriptor, and re-lock "
            "with `coral-runtime lock`\n"
        ) in outcome.stderr
        plain = machine.coral("run", "--locked", "--", "-c", "import my_extra_gone")
        assert "error: " not in plain.stderr

    def test_children_are_closed_too(self, machine: Device) -> None:
        machine.locked("--set", "program.requires=my-lib")
        (machine.site_packages / "zz.pth").write_text(f"{machine.directory / 'src'}\n")
        (machine.directory / "src").mkdir()
        (machine.directory / "src" / "behind.py").write_text("")
        machine.write("beside.py", "")
        machine.write(
            "children.py",
            "import subprocess, sys\n"
            "for name in ('beside', 'behind', 'my_app', 'my_extra'):\n"
            "    for words in (['-c', f'import {name}'], ['-c', 'import json, sys']):\n"
            "        done = subprocess.run([sys.executable, *words], capture_output=True)\n"
            "        print(name, done.returncode, b'ModuleNotFoundError' in done.stderr)\n",
        )
        settings = ("--set", "program.requires=my-lib", "--closed")
        outcome = machine.coral("run", "--locked", *settings, "--", "children.py").require(0)
        assert outcome.stdout.splitlines() == [
            line
            for name, code in (("beside", 0), ("behind", 1), ("my_app", 1), ("my_extra", 1))
            for line in (f"{name} {code} {bool(code)}", f"{name} 0 False")
        ]

    def test_another_program_contradicts_the_lock(self, machine: Device) -> None:
        machine.locked_once(of=PROGRAM)
        machine.coral("init", "--locked").require(0)
        machine.coral("init", "--locked", "--no-config").require(0)
        outcome = machine.coral("init", "--locked", "--set", "program.requires=my-lib").require(1)
        assert (
            "error[contradicts-lock]: the requested `program.requires` isn't the locked one\n"
            "  expected: my-app\n"
            "  found: my-lib\n"
            "  where: --set program.requires=my-lib\n"
        ) in outcome.stderr

    def test_what_is_absent_is_an_error(self, machine: Device) -> None:
        outcome = machine.coral("lock", "--set", "program.requires=nowhere").require(1)
        assert "error[requirement-unmet]: the program requires `nowhere`, found nothing\n" in (
            outcome.stderr
        )
        outcome = machine.coral("lock", "--set", "program.requires=my-app>=2").require(0)
        assert "warning[requirement-unmet]: the program requires `my-app>=2`, found 1.0\n" in (
            outcome.stderr
        )
        assert _programs(machine)["my-app"]
