"""Locks of environments and images that aren't this one, and of one target's part."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from coral_lock.targets.machine import this_machine
from coral_lock.targets.model import tag_of
from tests.conftest import MakeDevice
from tests.support.device import Device
from tests.support.environments import Environment, create_environment, install_with_uv
from tests.support.in_process import WorkingDirectory
from tests.support.plugin_wheels import make_plugin
from tests.support.wheelhouse import THIS

HERE = tag_of(this_machine().platform)
INSTALLED = ("my-package==1.0.0", "acme-vision", "dynamic-spec", "coral-inference==0.0.4")
INFERENCE = "--inference-version=0.58.0"
DESCRIPTOR = f"""\
targets:
  - {{name: here, python: "{THIS.python}", platform: {HERE}}}
  - {{name: jetson, python: "3.10", platform: manylinux_2_31_aarch64}}
host: {{inference: "0.58.0"}}
"""
HERE_DESCRIBED = f"--target=name=here,python={THIS.python},platform={HERE}"
ONE_TARGET = DESCRIPTOR.replace(DESCRIPTOR.splitlines()[2] + "\n", "")

pytestmark = pytest.mark.skipif(HERE is None, reason="this platform's tag can't be told")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, wheelhouse: Path) -> Environment:
    """An environment with the same plugins, and nothing else."""
    made = create_environment(tmp_path_factory.mktemp("environment") / "venv")
    install_with_uv(made, *INSTALLED, wheelhouse=wheelhouse)
    return made


@pytest.fixture
def inside(device: MakeDevice, tmp_path: Path) -> Device:
    """A device with plugins and coral-lock, in the working directory."""
    return replace(device(*INSTALLED), directory=tmp_path)


@pytest.fixture
def work(tmp_path: Path) -> WorkingDirectory:
    return WorkingDirectory(directory=tmp_path)


def test_another_environment_is_locked_as_from_within(
    inside: Device, work: WorkingDirectory, environment: Environment
) -> None:
    expected = inside.locked(INFERENCE)
    assert "patches:frame_compositor" in json.loads(expected)["plugins"]
    for python in (environment.root, environment.python):
        work.lock_path.unlink()
        assert work.locked("--python", python, INFERENCE) == expected
        assert work.coral("lock", "--python", python, INFERENCE, "--check").require(0).stderr == (
            "coral.lock is fresh: 5 plugins, 4 distributions\n"
        )


def test_nothing_of_another_environment_is_run(
    work: WorkingDirectory, environment: Environment
) -> None:
    words = ("--python", environment.root, INFERENCE, "--no-exec")
    outcome = work.coral("lock", *words).require(1)
    assert outcome.stderr.startswith(
        "error[spec-unknown]: `patches:frame_compositor` of `dynamic-spec`"
    )
    assert not work.lock_path.exists()


def test_the_target_that_another_environment_is(
    work: WorkingDirectory, environment: Environment
) -> None:
    work.write("runtime.yaml", ONE_TARGET)
    lock = json.loads(work.locked("-c", "runtime.yaml", "--python", environment.root))
    assert list(lock["targets"]) == ["here"]
    (work.directory / "runtime.yaml").unlink()
    target = "--target=python=3.9,platform=linux_riscv64"
    refused = work.coral("lock", "--python", environment.root, target).require(1)
    assert refused.stderr == (
        "error[target-uncovered]: no target matches this environment\n"
        "  expected: py3.9-linux_riscv64 (Python 3.9, linux_riscv64)\n"
        f"  found: {this_machine()}\n"
        "  hint: lock from a wheelhouse with `--wheels DIR`, or add this machine to `targets`\n"
        "failed to lock; `coral.lock` is unchanged\n"
    )


PARTIAL = (
    "error: the lock has several targets, and only some of them were inspected\n"
    "  expected: the distributions of `here`, `jetson`\n"
    "  found: those of `here`\n"
    "  hint: lock from a wheelhouse with `--wheels DIR` and without `--target`, check this part "
    "with `--check`, or lock for one target with `--target name=…,python=…,platform=…`\n"
)


def test_an_environment_is_not_locked_for_several_targets(
    work: WorkingDirectory, environment: Environment
) -> None:
    work.write("runtime.yaml", DESCRIPTOR)
    words = ("-c", "runtime.yaml", "--python", environment.root)
    for named in ((), ("--target=here",)):
        assert work.coral("lock", *words, *named).require(2).stderr == PARTIAL
        assert not work.lock_path.exists()
    assert list(json.loads(work.locked(*words, HERE_DESCRIBED))["targets"]) == ["here"]


@pytest.fixture
def image(environment: Environment, tmp_path: Path) -> str:
    """A site directory of an unpacked image, relative to the working directory."""
    name = f"image/lib/python{THIS.python}/site-packages"
    shutil.copytree(environment.site_packages, tmp_path / name)
    return name


def test_an_image_is_locked_for_a_target(work: WorkingDirectory, image: str) -> None:
    work.write("runtime.yaml", DESCRIPTOR)
    static = ("--set=patches.frame_compositor=false", "-c", "runtime.yaml")
    words = ("--site-packages", image, *static)
    assert work.coral("lock", *words, "--target=here").require(2).stderr == PARTIAL
    described = work.locked(*words, HERE_DESCRIBED)
    assert list(json.loads(described)["targets"]) == ["here"]
    work.write("runtime.yaml", ONE_TARGET)
    assert work.locked(*words) == described
    assert work.locked(*words, "--target=here") == described


def test_an_image_is_never_run(work: WorkingDirectory, image: str) -> None:
    work.write("runtime.yaml", ONE_TARGET)
    outcome = work.coral("lock", "-c", "runtime.yaml", "--site-packages", image).require(1)
    assert "an image of another machine is never run" in outcome.stderr


IMAGES: dict[str, tuple[str, tuple[str, ...], str]] = {
    "no target": (
        "{}",
        (),
        "error: the target of a directory can't be detected\n"
        "  expected: a target\n"
        "  hint: pass `--target python=3.10,platform=manylinux_2_31_aarch64`, or add it to "
        "the descriptor's `targets`\n",
    ),
    "several targets": (
        DESCRIPTOR,
        (),
        "error: the target of a directory can't be detected\n"
        "  expected: one of the targets here, jetson\n"
        "  hint: pass `--target NAME`\n",
    ),
    "two targets": (
        DESCRIPTOR,
        ("--target=here", "--target=jetson"),
        "error: the target of a directory can't be detected\n"
        "  expected: one of the targets here, jetson\n"
        "  hint: pass `--target NAME`\n",
    ),
    "another Python": (
        "{}",
        ("--target=python=3.9,platform=linux_riscv64,name=old",),
        "error: the directory is for another Python than the target `old`\n"
        "  expected: Python 3.9\n"
        f"  found: Python {THIS.python}, by its path\n"
        "  where: {image}\n"
        "  hint: pass the directory of that target, or the target of that directory\n",
    ),
}


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_for_no_single_target(work: WorkingDirectory, image: str, name: str) -> None:
    descriptor, words, stderr = IMAGES[name]
    work.write("runtime.yaml", descriptor)
    outcome = work.coral("lock", "-c", "runtime.yaml", "--site-packages", image, *words).require(2)
    assert outcome.stderr == stderr.replace("{image}", str(work.directory / image))
    assert not work.lock_path.exists()


@pytest.fixture
def machine(device: MakeDevice, wheelhouse: Path) -> Device:
    """A device of its own, with a lock for itself and for another machine, made from wheels."""
    made = device("my-package==1.0.0")
    house = made.directory / "house"
    house.mkdir()
    shutil.copy2(wheelhouse / "my_package-1.0.0-py3-none-any.whl", house)
    made.write("runtime.yaml", DESCRIPTOR.replace("host: {", 'host: {core: "0.0.4", '))
    WorkingDirectory(directory=made.directory).locked("-c", "runtime.yaml", "--wheels=house")
    return made


def test_a_device_checks_its_part(machine: Device, wheelhouse: Path) -> None:
    fresh = "coral.lock is fresh for the target `here` (not checked: `jetson`): "
    check = ("lock", "-c", "runtime.yaml", "--check")
    outcome = machine.coral(*check).require(0)
    assert (outcome.stdout, outcome.stderr) == ("", f"{fresh}1 plugin, 1 distribution, 2 targets\n")
    before = machine.lock_path.read_bytes()

    machine.install("my-package==1.1.0", "acme-object")
    outcome = machine.coral(*check).require(1)
    assert "~ `my-package` is upgraded: 1.0.0 → 1.1.0\n" in outcome.stdout
    assert "! `patches:frame_counter` is added (new-plugin)" in outcome.stdout
    *_, last, hint = outcome.stderr.splitlines()
    assert last.startswith("coral.lock is stale for the target `here` (not checked: `jetson`): ")
    assert hint == (
        "  hint: re-lock all targets from a wheelhouse (`--wheels DIR`) and have the "
        "changes reviewed"
    )
    assert machine.lock_path.read_bytes() == before
    assert machine.coral("lock", "-c", "runtime.yaml").require(2).stderr == PARTIAL


def test_a_device_checks_the_part_that_is_named(machine: Device) -> None:
    check = ("lock", "-c", "runtime.yaml", "--check")
    expected = machine.coral(*check).require(0).stderr
    assert machine.coral(*check, "--target=here").require(0).stderr == expected
    outcome = machine.coral(*check, "--target=jetson").require(1)
    assert (outcome.stdout, outcome.stderr) == (
        "",
        "error[target-uncovered]: no target matches this environment\n"
        "  expected: jetson (Python 3.10, manylinux_2_31_aarch64)\n"
        f"  found: {this_machine()}\n"
        "  hint: lock from a wheelhouse with `--wheels DIR`, or add this machine to `targets`\n"
        "failed to lock\n",
    )


def test_targets_that_were_added_or_moved_make_a_lock_stale(machine: Device) -> None:
    check = ("lock", "-c", "runtime.yaml", "--check")
    text = (machine.directory / "runtime.yaml").read_text()
    machine.write("runtime.yaml", text.replace('"3.10"', '"3.12"'))
    outcome = machine.coral(*check).require(1)
    assert (
        outcome.stdout
        == "lock\n  ~ the Python version of the target `jetson` changed: 3.10 → 3.12\n"
    )
    assert outcome.stderr.splitlines()[0] == "coral.lock is stale: 1 change, see above"
    machine.write("runtime.yaml", text.replace("name: jetson", "name: nano"))
    assert machine.coral(*check).require(1).stdout == (
        "lock\n  - the target `jetson` is removed\n  + the target `nano` is added\n"
    )


def test_a_lock_without_targets_and_a_descriptor_with_some(machine: Device) -> None:
    machine.locked("--no-config", "--core-version=0.0.4", INFERENCE)
    outcome = machine.coral("lock", "-c", "runtime.yaml", "--check").require(1)
    assert outcome.stdout == (
        "lock\n"
        f"  ~ the Python version is per target: {THIS.python} → none\n"
        "  + the target `here` is added\n"
        "  + the target `jetson` is added\n"
    )


def test_a_lock_for_one_target_is_checked_whole(machine: Device) -> None:
    text = (machine.directory / "runtime.yaml").read_text()
    machine.write("runtime.yaml", text.replace(text.splitlines()[2] + "\n", ""))
    machine.locked("-c", "runtime.yaml", "--wheels=house")
    from_wheels = machine.lock_path.read_text()
    assert machine.coral("lock", "-c", "runtime.yaml", "--check").require(0).stderr == (
        "coral.lock is fresh: 1 plugin, 1 distribution, 1 target\n"
    )
    assert machine.locked("-c", "runtime.yaml") == from_wheels


def test_a_device_of_no_target_checks_nothing(machine: Device) -> None:
    text = (machine.directory / "runtime.yaml").read_text()
    machine.write("runtime.yaml", text.replace(f"platform: {HERE}", "platform: linux_riscv64"))
    for words in ((), ("--check",)):
        outcome = machine.coral("lock", "-c", "runtime.yaml", *words).require(1)
        assert outcome.stderr.startswith(
            "error[target-uncovered]: no target matches this environment\n"
        )


OWN_TAG = f"cp{THIS.python.replace('.', '')}-cp{THIS.python.replace('.', '')}-{HERE}"
FOREIGN: dict[str, tuple[str, str, str]] = {
    "another Python": ("3.9", str(HERE), f"cp39-cp39-{HERE}"),
    "another Python's stable ABI": ("3.99", str(HERE), f"cp399-abi3-{HERE}"),
    "another architecture": (THIS.python, "linux_riscv64", "py3-none-linux_riscv64"),
    "another system": (THIS.python, "win_amd64", "py3-none-win_amd64"),
}


UNFITTING = (
    "error[platform-drift]: `zoom` was installed from a wheel for another machine\n"
    f"  expected: here (Python {THIS.python}, {HERE})\n"
    "  found: {tag}\n"
    "  hint: install a wheel of `zoom` that fits, or pass the target that this environment is\n"
)


def unpack(wheel: Path, directory: Path) -> None:
    """Put a wheel's files where no installer would put those of one that doesn't fit."""
    shutil.rmtree(directory, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory)


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_from_a_wheel_for_another_target(work: WorkingDirectory, name: str) -> None:
    """Its digest is in the lock, but it isn't one that this target can have."""
    python, platform, tag = FOREIGN[name]
    house = work.directory / "house"
    house.mkdir()
    own, foreign = (make_plugin(house, "zoom", tag=each) for each in (OWN_TAG, tag))
    work.write(
        "runtime.yaml",
        "targets:\n"
        f'  - {{name: here, python: "{THIS.python}", platform: {HERE}}}\n'
        f'  - {{name: other, python: "{python}", platform: {platform}}}\n'
        'host: {core: "0.0.4"}\n',
    )
    work.locked("-c", "runtime.yaml", "--wheels=house")
    image = f"image/lib/python{THIS.python}/site-packages"
    place = ("--site-packages", image, "--target=here")
    check = ("lock", "-c", "runtime.yaml", "--check", *place)
    unpack(own, work.directory / image)
    assert work.coral(*check).require(0).stderr == (
        "coral.lock is fresh for the target `here` (not checked: `other`): 1 plugin, "
        "1 distribution, 2 targets\n"
    )
    work.coral("verify", *place).require(0)

    unpack(foreign, work.directory / image)
    assert work.coral(*check).require(1).stderr == UNFITTING.format(tag=tag) + "failed to lock\n"
    found = work.coral("verify", *place, "--output-format=json").require(1).json()["findings"]
    assert [finding for finding in found if finding["severity"] == "error"] == [
        {
            "code": "platform-drift",
            "severity": "error",
            "subject": "zoom",
            "summary": "the lock covers no wheel of `zoom` like the one installed",
            "expected": OWN_TAG,
            "found": tag,
            "where": "distributions.zoom",
            "hint": "install a wheel that the lock covers, or lock for this machine",
        }
    ]


@pytest.mark.parametrize("name", FOREIGN)
def test_an_image_with_wheels_for_another_machine_is_not_locked(
    work: WorkingDirectory, name: str
) -> None:
    python, platform, tag = FOREIGN[name]
    image = f"image/lib/python{THIS.python}/site-packages"
    unpack(make_plugin(work.directory, "zoom", tag=tag), work.directory / image)
    words = ("--site-packages", image, "--core-version=0.0.4")
    assert work.coral("lock", *words, HERE_DESCRIBED).require(1).stderr == (
        UNFITTING.format(tag=tag) + "failed to lock; `coral.lock` is unchanged\n"
    )
    assert not work.lock_path.exists()
    if python == THIS.python:
        other = f"--target=name=other,python={python},platform={platform}"
        assert list(json.loads(work.locked(*words, other))["targets"]) == ["other"]


def test_an_environment_with_a_wheel_for_another_machine_is_not_locked(
    work: WorkingDirectory,
) -> None:
    made = create_environment(work.directory / "venv")
    tag = "py3-none-linux_riscv64"
    with zipfile.ZipFile(make_plugin(work.directory, "zoom", tag=tag)) as archive:
        archive.extractall(made.site_packages)
    words = ("--python", made.root, "--core-version=0.0.4")
    assert work.coral("lock", *words, HERE_DESCRIBED).require(1).stderr == (
        UNFITTING.format(tag=tag) + "failed to lock; `coral.lock` is unchanged\n"
    )
    # Without a target nothing is said of the machine.
    assert json.loads(work.locked(*words))["distributions"]["zoom"]["digests"].keys() == {tag}
