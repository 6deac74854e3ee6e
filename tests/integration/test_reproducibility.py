"""The same inputs give the same bytes, whoever installs them, where and in which order."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.inventory import Reporter
from tests.conftest import MakeDevice
from tests.support.device import INSTALLERS, Device
from tests.support.environments import create_environment
from tests.support.wheelhouse import REPOSITORY

HOSTS = ("coral-inference==0.0.4", "inference==0.58.0")
PLUGINS = (
    "my-package==1.0.0",
    "acme-vision",
    "acme-denoise",
    "deep-plugin",
    "native-plugin",
    "dynamic-spec",
    "future-core",
    "legacy-activate",
    "rknn-backend",
    "acme-workflows",
)
DESCRIPTOR = REPOSITORY / "fixtures" / "descriptors" / "runtime.yaml"

CLICK_DIGEST = "t1:81efhXpW63h+giO28oddyDIuj0TQcNKWXbd3c87w9SE="


def _lock(machine: Device) -> str:
    """Return the lock of a device that has all plugins."""
    machine.locked_once("-c", str(DESCRIPTOR))
    return machine.lock_path.read_text(encoding="utf-8")


def test_pip_and_uv_installs_give_the_same_lock(device: MakeDevice) -> None:
    by_uv = device(*PLUGINS, *HOSTS, name="uv")
    by_pip = device(
        *reversed(HOSTS), *reversed(PLUGINS), installer="pip", name="a/longer place/é中"
    )
    lock = _lock(by_uv)
    other = by_pip.coral(
        "lock",
        "-c",
        DESCRIPTOR,
        env={"PYTHONHASHSEED": "77", "LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Shanghai"},
    )
    other.require(0)
    assert by_pip.lock_path.read_bytes() == lock.encode()
    by_pip.coral("verify").require(0)
    for place in (by_uv.environment.root, by_pip.environment.root, Path.home()):
        assert str(place) not in lock


def test_locking_again_changes_nothing_and_check_agrees(device: MakeDevice) -> None:
    machine = device(*PLUGINS, *HOSTS)
    first = _lock(machine)
    before = machine.lock_path.stat()
    again = machine.coral("lock", "-c", DESCRIPTOR).require(0)
    assert "coral.lock is unchanged" in again.stderr
    after = machine.lock_path.stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)
    assert machine.lock_path.read_text() == first
    for seed in ("0", "1"):
        checked = machine.coral("lock", "-c", DESCRIPTOR, "--check", env={"PYTHONHASHSEED": seed})
        assert "coral.lock is fresh" in checked.require(0).stderr


def test_bytecode_and_installer_files_do_not_matter(device: MakeDevice) -> None:
    machine = device(*PLUGINS, *HOSTS)
    first = _lock(machine)
    packages = {path.parent for path in machine.site_packages.glob("*/*.py")}
    new = {package for package in packages if not (package / "__pycache__").exists()}
    machine.run("python", "-m", "compileall", "-q", *sorted(new)).require(0)
    assert (machine.site_packages / "my_package" / "__pycache__").is_dir()
    for dist_info in machine.site_packages.glob("*.dist-info"):
        (dist_info / "INSTALLER").write_text("other\n")
        (dist_info / "REQUESTED").write_text("")
        (dist_info / "direct_url.json").write_text('{"url": "file:///x", "archive_info": {}}')
    assert machine.locked("-c", str(DESCRIPTOR)) == first


def test_an_environment_can_be_moved(device: MakeDevice, tmp_path: Path) -> None:
    machine = device(*PLUGINS, *HOSTS)
    lock = _lock(machine)
    moved = Device(
        environment=type(machine.environment)(root=tmp_path / "moved"),
        directory=machine.directory,
        wheelhouse=machine.wheelhouse,
        state=machine.state,
    )
    words = ("-m", "coral_lock", "lock", "-c", str(DESCRIPTOR), "--no-env", "-o", "other.lock")
    machine.environment.root.rename(moved.environment.root)
    try:
        moved.run("python", *words).require(0)
    finally:
        moved.environment.root.rename(machine.environment.root)
    assert (moved.directory / "other.lock").read_text() == lock


@pytest.mark.parametrize("installer", INSTALLERS)
def test_the_digest_is_the_known_one(tmp_path: Path, wheelhouse: Path, installer: str) -> None:
    environment = create_environment(tmp_path / "environment")
    INSTALLERS[installer](environment, "click", wheelhouse=wheelhouse)
    inventory = EnvironmentInventory([str(environment.site_packages)])
    assert dict(inventory.digests(["click"], Reporter())) == {
        "click": {"py3-none-any": CLICK_DIGEST}
    }


def test_the_closure_is_pinned_and_follows_markers(device: MakeDevice) -> None:
    machine = device("deep-plugin", "native-plugin", *HOSTS)
    distributions = json.loads(machine.locked())["distributions"]
    assert {name: entry["requires"] for name, entry in distributions.items()} == {
        "closure-a": ["closure-b"],
        "closure-b": ["closure-c", "closure-extra"],
        "closure-c": [],
        "closure-extra": [],
        "coral-inference": [],
        "deep-plugin": ["closure-a"],
        "inference": [],
        "markupsafe": [],
        "native-plugin": ["markupsafe"],
    }
    (tag,) = distributions["markupsafe"]["digests"]
    assert "linux" in tag or "macosx" in tag or "win" in tag


def test_merging_in_a_real_repository_gives_the_lock_of_both_changes(device: MakeDevice) -> None:
    machine = device("acme-vision", "my-package==1.0.0", "rknn-backend", *HOSTS)

    def git(*words: str) -> None:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        subprocess.run(
            ("git", *identity, *words), cwd=machine.directory, check=True, capture_output=True
        )

    def switch(*settings: str) -> str:
        words = [word for setting in settings for word in ("--set", setting)]
        return machine.locked(*words)

    git("init", "--initial-branch=main")
    switch()
    git("add", "coral.lock")
    git("commit", "--message=base")
    git("checkout", "-b", "one")
    switch("patches.night_vision=false")
    git("commit", "--all", "--message=one")
    git("checkout", "-b", "two", "main")
    switch("backends.rknn_npu.optional=true")
    git("commit", "--all", "--message=two")
    git("merge", "one", "--message=both")
    merged = machine.lock_path.read_text()
    both = ("patches.night_vision=false", "backends.rknn_npu.optional=true")
    assert switch(*both) == merged
