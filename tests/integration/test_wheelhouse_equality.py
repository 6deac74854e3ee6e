"""A lock from wheels is byte for byte the lock from an environment that has them installed."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.inventory import Reporter
from coral_lock.names import normalized_name
from coral_lock.wheels.archive import WheelArchive
from coral_lock.wheels.contents import read_contents
from tests.support.device import INSTALLERS, Device, make_device
from tests.support.downloads import find_wheel
from tests.support.handmade_wheels import make_wheel
from tests.support.in_process import WorkingDirectory
from tests.support.real_wheels import REAL_WHEELS
from tests.support.wheelhouse import REPOSITORY

DESCRIPTOR = REPOSITORY / "fixtures" / "descriptors" / "runtime.yaml"
COMBINATIONS = {
    "many": (
        "acme-denoise",
        "acme-overlay",
        "acme-vision",
        "acme-workflows",
        "closure-a",
        "closure-b",
        "closure-c",
        "closure-extra",
        "coral-inference==0.0.4",
        "deep-plugin",
        "future-core",
        "inference==0.58.0",
        "legacy-activate",
        "markupsafe",
        "my-package==1.0.0",
        "native-plugin",
        "rknn-backend",
    ),
    "old core": (
        "acme-object",
        "acme-vision",
        "coral-inference==0.0.3",
        "generic-backend",
        "inference-gpu==0.58.0",
        "my-package==1.1.0",
    ),
}
"""Everything that is installed besides coral-lock. `dynamic-spec` isn't among it: it would have
to be run, and wheels aren't."""

LOCKS = [
    ("many", ()),
    ("many", ("-c", DESCRIPTOR)),
    ("many", ("--set=platform=rknn", "--set=backends.rknn_npu=true", "--no-env")),
    ("many", ("--set=plugins.discover=listed", "--set=patches.overlay=true")),
    ("old core", ()),
    ("old core", ("--set=patches.night_vision=false", "--set=backends.generic_cpu=true")),
    ("real", ()),
    ("real", ("--core-version=0.0.4", "--set=patches.real-needs=true")),
]

NEEDY_PLUGIN = """
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


spec = PluginSpec(name="real-needs", activate=activate, description="Require all kinds of wheels")
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Installed:
    """Wheels in a directory of their own, and by installer a device that has them.

    What pip makes of the fixtures is compared in `test_reproducibility.py`.
    """

    wheels: Path
    devices: dict[str, Device]


Install = Callable[[str], Installed]


@pytest.fixture(scope="module")
def installed(
    tmp_path_factory: pytest.TempPathFactory, wheelhouse: Path, real_wheels: Sequence[Path]
) -> Install:
    """Return the wheels of a combination and the devices with them, made at the first question."""
    made: dict[str, Installed] = {}

    def collect(combination: str, directory: Path) -> Sequence[Path]:
        if combination == "real":
            return (*real_wheels, _needy_plugin(directory))
        found = [find_wheel(wheelhouse, name) for name in COMBINATIONS[combination]]
        return [wheel for wheel in found if wheel is not None]

    def install(combination: str) -> Installed:
        if combination not in made:
            directory = tmp_path_factory.mktemp("equality")
            wheels = directory / "wheels"
            wheels.mkdir()
            for wheel in collect(combination, directory):
                shutil.copy2(wheel, wheels)
            paths = [str(wheel) for wheel in sorted(wheels.iterdir())]

            def device_by(installer: str) -> Device:
                device = make_device(directory / installer, wheelhouse)
                device.install(*paths, installer=installer)
                return device

            installers = INSTALLERS if combination == "real" else ("uv",)
            with ThreadPoolExecutor(len(installers)) as pool:
                devices = dict(zip(installers, pool.map(device_by, installers), strict=True))
            made[combination] = Installed(wheels=wheels, devices=devices)
        return made[combination]

    return install


def _needy_plugin(directory: Path) -> Path:
    """Make the wheel of a plugin that requires all the real wheels, in their own spelling."""
    names = [requirement.partition("==")[0] for requirement in REAL_WHEELS]
    return make_wheel(
        directory,
        "real-needs",
        {"real_needs.py": NEEDY_PLUGIN},
        entry_point="real_needs:spec",
        requires="\nRequires-Dist: ".join(names),
    )


@pytest.mark.parametrize(("combination", "words"), LOCKS)
def test_the_lock_of_wheels_is_that_of_an_environment(
    installed: Install, tmp_path: Path, combination: str, words: tuple[str, ...]
) -> None:
    place = installed(combination)
    lock = place.devices["uv"].locked(*words)
    assert json.loads(lock)["plugins"]
    elsewhere = WorkingDirectory(directory=tmp_path)
    assert elsewhere.locked(*words, "--wheels", place.wheels) == lock
    checked = elsewhere.coral("lock", *words, "--wheels", place.wheels, "--check").require(0)
    assert "coral.lock is fresh: " in checked.stderr


def test_every_real_wheel_is_locked_whoever_installed_it(installed: Install) -> None:
    devices = installed("real").devices
    text = devices["uv"].locked()
    assert devices["pip"].locked() == text
    lock = json.loads(text)
    names = {normalized_name(requirement.partition("==")[0]) for requirement in REAL_WHEELS}
    assert set(lock["distributions"]) == {*names, "real-needs"}
    assert lock["distributions"]["real-needs"]["requires"] == sorted(names)
    assert len(names) >= 30


@pytest.mark.parametrize("installer", INSTALLERS)
def test_the_digest_of_a_wheel_is_that_of_its_installation(
    installed: Install, installer: str
) -> None:
    place = installed("real")
    wheels = {}
    for path in place.wheels.iterdir():
        with WheelArchive(str(path)) as archive:
            contents = read_contents(archive)
        wheels[normalized_name(path.name.partition("-")[0])] = {contents.tag: contents.digest}
    inventory = EnvironmentInventory([str(place.devices[installer].site_packages)])
    assert dict(inventory.digests(sorted(wheels), Reporter())) == wheels


def test_the_real_wheels_are_of_all_kinds(real_wheels: Sequence[Path]) -> None:
    kinds: set[str] = set()
    for wheel in real_wheels:
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                _, is_data, place = member.filename.partition(".data/")
                kinds.add(f"{place.partition('/')[0]} apart" if is_data else "")
                kinds.add("mode 777" if member.external_attr >> 16 & 0o777 == 0o777 else "")
                kinds.add("native code" if member.filename.endswith(".so") else "")
                kinds.add("a path file" if member.filename.endswith(".pth") else "")
        kinds.add("any Python 3" if "-abi3-" in wheel.name else "")
        kinds.add("a compressed tag set" if "py2.py3-" in wheel.name else "")
        kinds.add("a dotted name" if "." in wheel.name.partition("-")[0] else "")
    assert kinds >= {
        "a compressed tag set",
        "a dotted name",
        "a path file",
        "any Python 3",
        "data apart",
        "headers apart",
        "mode 777",
        "native code",
        "scripts apart",
    }
