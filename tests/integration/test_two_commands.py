"""The runtime ships a `coral-runtime` too: the one that is installed later is there."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from tests.conftest import MakeDevice
from tests.support.device import Device
from tests.support.environments import install_with_pip, install_with_uv
from tests.support.handmade_wheels import make_wheel

OURS = f"coral-runtime of coral-lock {version('coral-lock')}\n"
THEIRS = "coral-runtime of the runtime\n"
INSTALL = {"pip": install_with_pip, "uv": install_with_uv}


def _runtime(directory: Path) -> Path:
    """Write the wheel of a runtime that has a command of the same name."""
    directory.mkdir()
    files = {
        "coral_inference/__init__.py": "",
        "coral_inference/cli.py": f"def main():\n    print({THEIRS.rstrip()!r})\n",
        "coral_inference-0.0.4.dist-info/entry_points.txt": (
            "[console_scripts]\ncoral-runtime = coral_inference.cli:main\n"
        ),
    }
    return make_wheel(directory, "coral-inference", files, version="0.0.4")


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_the_later_one_is_there_and_ours_can_always_be_run(
    device: MakeDevice, tmp_path: Path, installer: str
) -> None:
    machine = device()
    runtime = _runtime(tmp_path / "runtime")
    assert _versions(machine) == (OURS, OURS)

    INSTALL[installer](machine.environment, runtime, wheelhouse=tmp_path / "runtime")
    assert _versions(machine) == (THEIRS, OURS)
    own = machine.run("python", "-m", "coral_lock", "plugins", "list").require(0)
    assert own.stderr == "no plugin is installed\n"

    again = {"pip": "--force-reinstall", "uv": "--reinstall"}[installer]
    machine.install(again, "coral-lock", installer=installer, no_deps=True)
    assert _versions(machine) == (OURS, OURS)
    machine.coral("plugins", "list").require(0)


def _versions(machine: Device) -> tuple[str, str]:
    """Return what the command and the module say of themselves."""
    command = machine.coral("--version").require(0)
    module = machine.run("python", "-m", "coral_lock", "--version").require(0)
    return command.stdout, module.stdout
