"""A device with a lock for several kinds of machines: it starts from its own part, or not."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from coral_lock.lockfile.file import load_lock
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.text import write_lock
from coral_lock.targets.machine import Machine, this_machine
from coral_lock.targets.model import Target, tag_of
from tests.conftest import MakeDevice
from tests.support.device import Device
from tests.support.plugin_wheels import make_plugin

HERE = tag_of(this_machine().platform)
JETSON = Target(name="jetson", python="3.10", platform="manylinux_2_31_aarch64")

pytestmark = pytest.mark.skipif(HERE is None, reason="this platform's tag can't be told")


def here(name: str = "here", machine: Machine | None = None) -> Target:
    machine = machine or this_machine()
    return Target(name=name, python=machine.language_version, platform=HERE or "")


def with_targets(lock: Lock, *targets: Target) -> Lock:
    return lock.replace(host=lock.host.replace(python=None), targets=targets)


@pytest.fixture
def locked(device: MakeDevice) -> Device:
    """A device with two plugins and a lock without targets."""
    machine = device("my-package==1.0.0", "acme-object", "coral-inference==0.0.4")
    machine.locked("--inference-version=0.58.0")
    return machine


def retarget(machine: Device, *targets: Target) -> Lock:
    """Rewrite the device's lock as one for targets."""
    lock = with_targets(load_lock(str(machine.lock_path)), *targets)
    machine.lock_path.write_text(write_lock(lock), encoding="utf-8")
    return lock


def verified(machine: Device, **arguments: object) -> list[list[str]]:
    """The code, subject, expected and found of what `coral_lock.verify` finds on the device."""
    program = (
        "import coral_lock, json, sys\n"
        "found = coral_lock.verify('coral.lock', **json.loads(sys.argv[1]))\n"
        "print(json.dumps([[f.code, f.subject, f.expected, f.found] for f in found]))\n"
    )
    outcome = machine.run("python", "-c", program, json.dumps(arguments)).require(0)
    findings: list[list[str]] = outcome.json()
    return findings


def test_a_device_starts_from_its_own_part(locked: Device) -> None:
    retarget(locked, JETSON, here())
    report = locked.coral("init", "--locked").require(0).json()
    assert report["lock"]["target"] == "here"
    assert report["state"]["plugins_loaded"] == {
        "patches:camera_stabilizer": True,
        "patches:frame_counter": True,
    }
    assert report["log_messages"][0] == (
        "Lock coral.lock: 2 plugins, 3 distributions, integrity imports, target here"
    )
    assert [f["code"] for f in report["findings"]] == ["host-unverified"]
    assert verified(locked) == [
        ["host-unverified", "inference", "inference 0.58.0", "none"],
    ]


def test_what_is_for_other_targets_is_neither_wanted_nor_run(locked: Device) -> None:
    lock = retarget(locked, JETSON, here())
    for_jetson = {"frame_counter": ("jetson",), "acme-object": ("jetson",)}
    narrowed = lock.replace(
        plugins=tuple(
            plugin.replace(targets=for_jetson.get(plugin.name, ())) for plugin in lock.plugins
        ),
        distributions=tuple(
            each.replace(targets=for_jetson.get(each.name, ())) for each in lock.distributions
        ),
    )
    locked.lock_path.write_text(write_lock(narrowed), encoding="utf-8")
    refused = locked.coral("init", "--locked").require(1).json()
    assert [(f["code"], f["subject"]) for f in refused["findings"] if f["severity"] == "error"] == [
        ("unlocked-plugin", "acme-object")
    ]
    assert [plugin["id"] for plugin in refused["plugins"]] == ["patches:camera_stabilizer"]

    for path in sorted(locked.site_packages.glob("acme_object*")):
        path.rename(locked.directory / path.name)
    report = locked.coral("init", "--locked").require(0).json()
    assert report["state"]["plugins_loaded"] == {"patches:camera_stabilizer": True}
    assert report["log_messages"][0] == (
        "Lock coral.lock: 1 plugin, 2 distributions, integrity imports, target here"
    )


def test_a_machine_that_no_target_covers_runs_nothing(locked: Device) -> None:
    other = Target(name="other", python="3.9", platform=HERE or "")
    retarget(locked, JETSON, other)
    outcome = locked.coral("init", "--locked").require(1)
    report = outcome.json()
    assert report["outcome"] == "refused"
    assert report["findings"] == [
        {
            "code": "target-uncovered",
            "severity": "error",
            "subject": "targets",
            "summary": "no target of the lock matches this environment",
            "expected": f"jetson (Python 3.10, manylinux_2_31_aarch64), other (Python 3.9, {HERE})",
            "found": str(this_machine()),
            "where": "targets",
            "hint": "lock for this machine too: add it to `targets` in the descriptor, run "
            "`coral-runtime lock` and have the change reviewed",
        }
    ]
    assert report["lock"]["target"] is None
    assert [(plugin["id"], plugin["status"]) for plugin in report["plugins"]] == [
        ("patches:camera_stabilizer", "not-run"),
        ("patches:frame_counter", "not-run"),
    ]
    assert report["state"]["plugins_loaded"] == {}
    assert report["log_messages"] == [
        "Lock coral.lock: 2 plugins, 3 distributions, 2 targets, integrity imports",
        "The lock isn't for this machine: nothing was activated",
    ]
    assert (
        "error[target-uncovered]: no target of the lock matches this environment" in outcome.stderr
    )
    assert "start refused: this machine doesn't match the lock" in outcome.stderr


def test_a_target_with_a_full_version_is_that_release_alone(locked: Device) -> None:
    release = this_machine().python
    exact = here("exact").replace(python=release)
    lock = load_lock(str(locked.lock_path))
    for target, code in ((exact, 0), (exact.replace(python=f"{release}9"), 1)):
        locked.lock_path.write_text(write_lock(with_targets(lock, target)), encoding="utf-8")
        locked.coral("init", "--locked").require(code)


def test_the_most_demanding_target_is_taken(locked: Device) -> None:
    older = here("older").replace(platform=f"linux_{this_machine().platform.machine}")
    retarget(locked, here("newer"), older)
    assert locked.coral("init", "--locked").require(0).json()["lock"]["target"] == "newer"
    assert verified(locked, target="older") == verified(locked)


def test_tampering_is_found_with_targets_too(locked: Device) -> None:
    retarget(locked, JETSON, here())
    source = locked.site_packages / "my_package" / "coral_plugins.py"
    source.write_text(source.read_text().replace("return True", "return  True"))
    report = locked.coral("init", "--locked").require(3).json()
    assert report["lock"]["target"] == "here"
    assert [f["code"] for f in report["findings"] if f["severity"] == "error"] == [
        "digest-mismatch"
    ]


FOREIGN = {
    "another Python": (
        Target(name="other", python="3.9", platform=HERE or ""),
        f"cp39-cp39-{HERE}",
    ),
    "another architecture": (
        Target(name="other", python="3.11", platform="linux_riscv64"),
        "py3-none-linux_riscv64",
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_wheel_for_another_target_is_not_run(device: MakeDevice, name: str) -> None:
    """The lock has its digest, but this machine isn't the one that it is for."""
    other, tag = FOREIGN[name]
    machine = device("coral-inference==0.0.4")
    house = machine.directory / "house"
    house.mkdir()
    own = make_plugin(house, "zoom", tag=f"py3-none-{HERE}")
    foreign = make_plugin(house, "zoom", tag=tag)
    machine.write("runtime.yaml", 'host: {core: "0.0.4", inference: "0.58.0"}\n')
    targets = (
        f"--target=name={each.name},python={each.python},platform={each.platform}"
        for each in (here(), other)
    )
    machine.locked("-c", "runtime.yaml", "--wheels=house", *targets)
    with zipfile.ZipFile(own) as archive:
        archive.extractall(machine.site_packages)
    report = machine.coral("init", "--locked").require(0).json()
    assert report["state"]["plugins_loaded"] == {"patches:zoom": True}

    for path in sorted(machine.site_packages.glob("zoom*")):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with zipfile.ZipFile(foreign) as archive:
        archive.extractall(machine.site_packages)
    report = machine.coral("init", "--locked").require(1).json()
    assert report["outcome"] == "refused"
    assert report["state"]["plugins_loaded"] == {}
    finding = {
        "code": "platform-drift",
        "severity": "error",
        "subject": "zoom",
        "summary": "the lock covers no wheel of `zoom` like the one installed",
        "expected": f"py3-none-{HERE}",
        "found": tag,
        "where": "distributions.zoom",
        "hint": "install a wheel that the lock covers, or lock for this machine",
    }
    assert [each for each in report["findings"] if each["severity"] == "error"] == [finding]
    verdict = machine.coral("verify", "--output-format=json").require(1).json()
    assert [each for each in verdict["findings"] if each["severity"] == "error"] == [finding]


def test_the_target_that_a_machine_has_to_be(locked: Device) -> None:
    retarget(locked, JETSON, here())
    assert verified(locked, target="here") == verified(locked)
    assert verified(locked, target="jetson") == [
        [
            "target-uncovered",
            "targets",
            "jetson (Python 3.10, manylinux_2_31_aarch64)",
            str(this_machine()),
        ]
    ]


def test_a_lock_without_targets_is_as_before(locked: Device, tmp_path: Path) -> None:
    report = locked.coral("init", "--locked").require(0).json()
    assert report["lock"]["target"] is None
    assert report["log_messages"][0] == (
        "Lock coral.lock: 2 plugins, 3 distributions, integrity imports"
    )
    lock = load_lock(str(locked.lock_path))
    elsewhere = lock.replace(host=lock.host.replace(python="3.9"))
    locked.lock_path.write_text(write_lock(elsewhere), encoding="utf-8")
    drifted = locked.coral("init", "--locked").require(1).json()
    assert [f["code"] for f in drifted["findings"] if f["severity"] == "error"] == ["python-drift"]
