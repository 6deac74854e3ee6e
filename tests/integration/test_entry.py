"""Nothing beside our script, or in the working directory, is imported in place of ours."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.conftest import MakeDevice
from tests.support.device import Device
from tests.support.environments import install_with_pip, install_with_uv
from tests.support.handmade_wheels import make_wheel

EVIL = "open({marker!r}, 'a').write(__name__ + ' ')\nraise SystemExit(0)\n"

NAMES = ("coral_lock", "hashlib", "__future__", "re", "errno", "os", "click", "yaml", "json")
COMMANDS = (
    ("verify",),
    ("lock",),
    ("plugins", "list"),
    ("init", "--locked"),
    ("run", "--locked", "--", "python", "-c", "pass"),
    ("--version",),
)


@pytest.fixture
def machine(device: MakeDevice) -> Device:
    made = device("my-package==1.0.0")
    made.locked_once("--core-version=0.0.4", "--inference-version=0.58.0")
    return made


@pytest.mark.parametrize("install", [install_with_uv, install_with_pip])
def test_files_beside_the_script_are_not_imported(
    machine: Device, tmp_path: Path, install: object
) -> None:
    marker = tmp_path / "ran"
    evil = EVIL.format(marker=str(marker))
    files = {f"evil-1.0.data/scripts/{name}.py": evil for name in NAMES}
    wheel = make_wheel(tmp_path, "evil", files)
    assert callable(install)
    install(machine.environment, wheel, wheelhouse=machine.wheelhouse)
    script = machine.environment.bin / "coral-runtime"
    # Older installers write scripts that import more.
    script.write_text(script.read_text().replace("import sys\n", "import re\nimport sys\n", 1))
    for words in COMMANDS:
        outcome = machine.coral(*words)
        assert not marker.exists(), (words, marker.read_text())
        assert outcome.stdout + outcome.stderr
    assert "import re" in script.read_text()


@pytest.mark.parametrize("words", COMMANDS)
def test_files_in_the_working_directory_are_not_imported_with_m(
    machine: Device, tmp_path: Path, words: tuple[str, ...]
) -> None:
    marker = tmp_path / "ran"
    evil = EVIL.format(marker=str(marker))
    for name in (*NAMES, "runpy", "pkgutil"):
        machine.write(f"{name}.py", evil)
    (machine.directory / "coral_lock").mkdir()
    machine.write("coral_lock/__init__.py", evil)
    machine.write("coral_lock/__main__.py", evil)
    for module in (("-m", "coral_lock"), ("-Bmcoral_lock",)):
        outcome = machine.run("python", *module, *words)
        assert not marker.exists(), (words, marker.read_text())
        assert outcome.stdout + outcome.stderr


def test_a_dependency_on_pythonpath_does_not_replace_ours(machine: Device, tmp_path: Path) -> None:
    for name in ("click", "yaml", "packaging"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('shadow')\n")
    machine.write("runtime.yaml", "platform: onnx\n")
    env = {"PYTHONPATH": str(tmp_path)}
    for words in (("--version",), ("config", "validate"), ("init", "--locked")):
        assert machine.coral(*words, env=env).require(0).stdout


def test_another_coral_lock_on_pythonpath_is_an_error(machine: Device, tmp_path: Path) -> None:
    (tmp_path / "coral_lock.py").write_text("")
    env = {"PYTHONPATH": str(tmp_path)}
    reason = "No module named 'coral_lock.import_guard'; 'coral_lock' is not a package"
    for words, code in ((("verify",), 2), (("run", "--locked", "--", "-c", "print(1)"), 78)):
        outcome = machine.coral(*words, env=env).require(code)
        assert (outcome.stdout, outcome.stderr) == (
            "",
            f"error: coral_lock can't be imported: {reason}\n"
            "  hint: remove the other `coral_lock` from `PYTHONPATH`\n",
        )
    child = machine.run("python", "-c", "print(1)", env={**env, "CORAL_LOCK_RUN": "0:/x"})
    assert (child.code, child.stdout) == (3, "")
    assert "error: this process can't be put under its lock: No module named" in child.stderr


def test_an_interrupt_before_the_command_runs_shows_no_traceback(machine: Device) -> None:
    late = "import os; os.environ.get('INTERRUPT') and os.kill(os.getpid(), 2)\n"
    (machine.site_packages / "zz.pth").write_text(late)
    for words in COMMANDS:
        finished = subprocess.run(
            (machine.environment.bin / "coral-runtime", *words),
            cwd=machine.directory,
            env={**machine.variables(), "INTERRUPT": "1"},
            capture_output=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            check=False,
        )
        assert (finished.returncode, finished.stderr) == (-signal.SIGINT, b"")


def test_another_program_of_that_name_is_interrupted_as_ever(machine: Device) -> None:
    script = machine.environment.bin / "coral-runtime"
    script.write_text(
        f"#!{machine.environment.python}\nimport os\n"
        "try:\n    os.kill(os.getpid(), 2)\nexcept KeyboardInterrupt:\n    print('interrupted')\n"
    )
    finished = subprocess.run(
        (script,),
        capture_output=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        check=True,
    )
    assert finished.stdout == b"interrupted\n"


def test_another_program_of_that_name_imports_what_it_needs(machine: Device) -> None:
    script = machine.environment.bin / "coral-runtime"
    script.write_text(f"#!{machine.environment.python}\nimport my_package, beside\nprint('ran')\n")
    (script.parent / "beside.py").write_text("")
    assert machine.run("coral-runtime").require(0).stdout == "ran\n"


def test_other_programs_pay_nothing(machine: Device) -> None:
    code = "import sys; print([name for name in sys.modules if 'coral' in name])"
    for words in (("-c", code, "coral_lock"), ("-c", code, "coral-runtime")):
        assert machine.run("python", *words).require(0).stdout == "[]\n"
    finished = subprocess.run(
        (machine.environment.python, "-", "-m", "coral_lock"),
        input=code,
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout == "[]\n"
