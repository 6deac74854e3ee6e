"""From one descriptor with two targets to devices: lock, export, install, start."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import uv

from tests.support.device import Device, make_device
from tests.support.downloads import WheelTarget, find_wheel
from tests.support.environments import Environment, create_environment, install_with_uv, run
from tests.support.handmade_wheels import make_wheel
from tests.support.snapshots import Snapshot
from tests.support.wheelhouse import ELSEWHERE, THIS, fetch_target_wheels, other_interpreter

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the targets run Linux")

HOUSED = (
    "acme-overlay",
    "coral-inference==0.0.4",
    "inference==0.58.0",
    "my-package==1.0.0",
    "my-package==1.1.0",
)
DESCRIPTOR = """\
targets:
  - {{name: field, python: "{elsewhere.python}", platform: manylinux_2_31_{elsewhere.architecture}}}
  - {{name: gate, python: "{here.python}", platform: manylinux_2_17_{here.architecture}}}
patches:
  camera_stabilizer: true
  overlay: true
"""
FIELD_PLUGIN = """
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


spec = PluginSpec(name="thermal", activate=activate, description="Read the thermal camera")
"""

PIP = ("python", "-m", "pip", "--python={python}", "install", "--no-index")
UV = (
    uv.find_uv_bin(),
    "--no-config",
    "pip",
    "install",
    "--python={python}",
    "--offline",
    "--no-cache",
    "--link-mode=copy",
)
INSTALLATIONS = {
    "pip requirements": (*PIP, "--find-links=wheelhouse", "-r", "requirements.txt"),
    "pip pylock": (*PIP, "-r", "pylock.toml"),
    "uv requirements": (
        *UV,
        "--no-index",
        "--find-links=wheelhouse",
        "--require-hashes",
        "-r",
        "requirements.txt",
    ),
    "uv pylock": (*UV, "-r", "pylock.toml"),
}
REFUSALS = {
    "pip requirements": "THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE",
    "pip pylock": "THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE",
    "uv requirements": "Hash mismatch for `my-package",
    "uv pylock": "Hash mismatch for `my-package",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Pipeline:
    """A release: where it was made, and the interpreter of the devices that are at hand."""

    engineer: Device
    interpreter: Path
    target: WheelTarget

    @property
    def directory(self) -> Path:
        return self.engineer.directory

    def install(self, environment: Environment, how: str) -> CompletedProcess[str]:
        """Install what was exported, the way that a device's image would be made."""
        words = [word.format(python=environment.python) for word in INSTALLATIONS[how]]
        return run(
            self.engineer.environment,
            *words,
            cwd=self.directory,
            env_extra={"PIP_CONFIG_FILE": os.devnull},
        )


Pipelines = Callable[[str], Pipeline]
Targets = Callable[[Pipeline], Device]


@pytest.fixture(scope="module")
def engineer(tmp_path_factory: pytest.TempPathFactory, wheelhouse: Path) -> Device:
    """The machine of the release pipeline, with a pip that knows `pylock.toml`."""
    return make_device(tmp_path_factory.mktemp("engineer") / "machine", wheelhouse, "pip")


@pytest.fixture(scope="module")
def pipelines(
    tmp_path_factory: pytest.TempPathFactory, wheelhouse: Path, engineer: Device
) -> Pipelines:
    """Return the release for this interpreter, or for another one of this machine."""
    made: dict[str, Pipeline] = {}

    def make(which: str) -> Pipeline:
        if which not in made:
            interpreter, here = _devices(which)
            directory = tmp_path_factory.mktemp("release")
            _fill_wheelhouse(directory / "wheelhouse", wheelhouse, here)
            made[which] = Pipeline(
                engineer=replace(engineer, directory=directory),
                interpreter=interpreter,
                target=here,
            )
            _release(made[which])
        return made[which]

    return make


def _devices(which: str) -> tuple[Path, WheelTarget]:
    if which == "this":
        return Path(sys.executable), THIS
    other = other_interpreter()
    if other is None:
        pytest.skip("no other CPython is on this machine")
    return other


def _fill_wheelhouse(target: Path, wheelhouse: Path, here: WheelTarget) -> None:
    target.mkdir()
    wheels = [find_wheel(wheelhouse, name) for name in HOUSED]
    wheels.append(find_wheel(wheelhouse, "markupsafe") if here == THIS else None)
    for place in {here, ELSEWHERE} - {THIS}:
        wheels.append(_of_target(wheelhouse, "markupsafe", place))
    for wheel in wheels:
        if wheel is not None:
            shutil.copy2(wheel, target)
    make_wheel(
        target,
        "field-thermal",
        {"field_thermal.py": FIELD_PLUGIN},
        entry_point="field_thermal:spec",
        tag=f"py3-none-manylinux_2_17_{ELSEWHERE.architecture}",
    )


def _of_target(wheelhouse: Path, name: str, target: WheelTarget) -> Path:
    """Return a wheel of native code for another machine than this one."""
    (wheel,) = (
        wheel
        for wheel in fetch_target_wheels(wheelhouse, target)
        if wheel.name.startswith(f"{name}-")
    )
    return wheel


def _release(pipeline: Pipeline) -> None:
    machine = pipeline.engineer
    machine.write("runtime.yaml", DESCRIPTOR.format(here=pipeline.target, elsewhere=ELSEWHERE))
    words = ("lock", "-c", "runtime.yaml", "--wheels", "wheelhouse")
    assert "wrote coral.lock: " in machine.coral(*words).require(0).stderr
    assert "coral.lock is fresh: " in machine.coral(*words, "--check").require(0).stderr
    for form, name in (("requirements", "requirements.txt"), ("pylock", "pylock.toml")):
        machine.coral("export", "--format", form, "--wheels", "wheelhouse", "-o", name).require(0)


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory, wheelhouse: Path) -> Targets:
    """Return a device that runs the release: it has coral-lock, and the lock's files alone.

    There is one for each interpreter; what the test before installed there is removed.
    """
    made: dict[Path, tuple[Device, Snapshot]] = {}

    def make(pipeline: Pipeline) -> Device:
        place = tmp_path_factory.mktemp("target")
        directory = place / "work"
        directory.mkdir()
        for name in ("coral.lock", "runtime.yaml"):
            shutil.copy2(pipeline.directory / name, directory)
        environment = create_environment(place / "environment", str(pipeline.interpreter))
        native: tuple[Path, ...] = ()
        if pipeline.target != THIS:
            native = tuple(
                _of_target(wheelhouse, name, pipeline.target) for name in ("pyyaml", "rpds_py")
            )
        install_with_uv(environment, "coral-lock", *native, wheelhouse=wheelhouse)
        return Device(
            environment=environment,
            directory=directory,
            wheelhouse=wheelhouse,
            state=place / "state",
        )

    def lend(pipeline: Pipeline) -> Device:
        if pipeline.interpreter not in made:
            device = make(pipeline)
            made[pipeline.interpreter] = device, Snapshot(device.environment.root)
        device, snapshot = made[pipeline.interpreter]
        assert snapshot.restore()
        return device

    return lend


def test_the_lock_holds_both_targets(pipelines: Pipelines) -> None:
    pipeline = pipelines("this")
    lock = json.loads((pipeline.directory / "coral.lock").read_text(encoding="utf-8"))
    assert lock["targets"] == {
        "field": {
            "python": ELSEWHERE.python,
            "platform": f"manylinux_2_31_{ELSEWHERE.architecture}",
        },
        "gate": {"python": THIS.python, "platform": f"manylinux_2_17_{THIS.architecture}"},
    }
    assert {name: plugin.get("targets") for name, plugin in lock["plugins"].items()} == {
        "patches:camera_stabilizer": None,
        "patches:overlay": None,
        "patches:thermal": ["field"],
    }
    interpreters = {tag.partition("-")[0] for tag in lock["distributions"]["markupsafe"]["digests"]}
    assert interpreters == {"cp310", f"cp{THIS.python.replace('.', '')}"}
    assert lock["distributions"]["my-package"]["version"] == "1.1.0"


@pytest.mark.parametrize("how", INSTALLATIONS)
@pytest.mark.parametrize("which", ["this", "other"])
def test_what_is_exported_is_installed_and_started(
    pipelines: Pipelines, targets: Targets, which: str, how: str
) -> None:
    pipeline = pipelines(which)
    device = targets(pipeline)
    installed = pipeline.install(device.environment, how)
    assert installed.returncode == 0, f"{installed.stdout}{installed.stderr}"
    assert not list(device.site_packages.glob("field_thermal*"))
    report = device.coral("init", "--locked", "-c", "runtime.yaml").require(0).json()
    assert (report["lock"]["target"], report["findings"]) == ("gate", [])
    assert report["state"]["plugins_loaded"] == {
        "patches:camera_stabilizer": True,
        "patches:overlay": True,
    }
    checked = device.coral("lock", "-c", "runtime.yaml", "--check").require(0)
    assert checked.stderr.startswith(
        "coral.lock is fresh for the target `gate` (not checked: `field`): "
    )


@pytest.mark.parametrize("how", INSTALLATIONS)
def test_another_wheel_than_the_locked_one_is_refused(
    pipelines: Pipelines, tmp_path: Path, how: str
) -> None:
    release = pipelines("this")
    directory = tmp_path / "forged"
    shutil.copytree(release.directory, directory)
    _change_time_stamp(directory / "wheelhouse" / "my_package-1.1.0-py3-none-any.whl")
    forged = replace(release, engineer=replace(release.engineer, directory=directory))
    environment = create_environment(tmp_path / "environment")
    installed = forged.install(environment, how)
    assert installed.returncode != 0
    assert REFUSALS[how] in installed.stderr
    assert not list(environment.site_packages.glob("my_package*"))


def _change_time_stamp(wheel: Path) -> None:
    """Make another wheel of the same size that would be installed just as well."""
    content = bytearray(wheel.read_bytes())
    content[10] ^= 1
    wheel.write_bytes(content)


def test_a_machine_of_no_target_starts_nothing(engineer: Device, pipelines: Pipelines) -> None:
    release = pipelines("this")
    machine = replace(engineer, directory=engineer.directory / "elsewhere")
    machine.directory.mkdir()
    platform = f"manylinux_2_17_{ELSEWHERE.architecture}"
    wheels = release.directory / "wheelhouse"
    machine.locked("--target", f"python={ELSEWHERE.python},platform={platform}", "--wheels", wheels)
    refused = machine.coral("init", "--locked").require(1)
    assert (
        "error[target-uncovered]: no target of the lock matches this environment\n"
        f"  expected: py{ELSEWHERE.python}-{platform} (Python {ELSEWHERE.python}, {platform})\n"
        "  found: Python "
    ) in refused.stderr
    assert refused.json()["state"]["plugins_loaded"] == {}
