"""Directories of images: verified and locked without being run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import coral_lock
from coral_lock.derive.subject import image_environment
from coral_lock.descriptor.load import load_descriptor
from coral_lock.errors import (
    BrokenDistributionError,
    CoralLockError,
    InputError,
    UsageError,
)
from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.installed.site_scan import checked_directories, python_of
from coral_lock.inventory import Reporter
from coral_lock.lockfile.model import Lock
from coral_lock.locking.resolution import resolve, survey
from coral_lock.probe.interpreter import ask_interpreter
from coral_lock.targets.environment import environment_of, this_markers
from coral_lock.targets.model import Target
from coral_lock.verification.verdict import verdict_on
from tests.support.environments import Environment
from tests.support.foreign import PLUGIN_SOURCE, codes, lock_from_outside
from tests.support.locks import sample_lock


@pytest.fixture
def image(environment: Environment, tmp_path: Path) -> Path:
    """The root of a file system into which an environment's site directory was unpacked."""
    library = environment.site_packages.parent.name
    root = tmp_path / "image"
    shutil.copytree(environment.site_packages, root / "usr" / "lib" / library / "site-packages")
    return root


def site_directory(image: Path) -> Path:
    (directory,) = image.glob("usr/lib/python3*/site-packages")
    return directory


def test_an_image_is_verified_as_the_environment(environment: Environment, image: Path) -> None:
    lock = lock_from_outside(ask_interpreter(str(environment.root)))
    expected = coral_lock.verify(lock, python=environment.root)
    directory = site_directory(image)
    shutil.rmtree(environment.root)
    assert coral_lock.verify(lock, site_packages=[directory]) == expected
    (directory / PLUGIN_SOURCE).write_text("")
    assert codes(coral_lock.verify(lock, site_packages=[str(directory)])) == [
        "digest-mismatch",
        "host-unverified",
    ]


def test_a_standard_library_in_an_image_shadows(environment: Environment, image: Path) -> None:
    lock = lock_from_outside(ask_interpreter(str(environment.root)))
    directory = site_directory(image)
    (directory.parent / "os.py").write_text("")
    (directory.parent / "acme_object.py").write_text("")
    found = coral_lock.verify(lock, site_packages=[directory])
    assert [(f.code, f.subject, f.found) for f in found if f.severity == "error"] == [
        ("module-shadowed", "acme-object", str(directory.parent / "acme_object.py")),
        ("module-shadowed", "patches:frame_counter", str(directory.parent / "acme_object.py")),
    ]


def test_an_image_for_one_of_the_targets(environment: Environment, image: Path) -> None:
    lock = lock_from_outside(ask_interpreter(str(environment.root)))
    python = str(lock.host.python)
    jetson = Target(name="jetson", python=python, platform="manylinux_2_31_aarch64")
    old = Target(name="old", python="3.9", platform="manylinux_2_31_aarch64")
    targeted = lock.replace(host=lock.host.replace(python=None), targets=(jetson, old))
    directory = site_directory(image)
    whole = coral_lock.verify(lock, site_packages=[directory])

    def verdict(target: Target | str | None, of: Lock = targeted) -> tuple[str | None, list[str]]:
        name = target if isinstance(target, str) else None
        subject = image_environment([str(directory)], of, target)
        found = verdict_on(of, "full", subject, name)
        return found.target, codes(found.findings)

    assert verdict("jetson") == ("jetson", codes(whole))
    assert verdict(jetson.replace(name="any")) == ("jetson", codes(whole))
    assert verdict(None, targeted.replace(targets=(jetson,))) == ("jetson", codes(whole))
    assert verdict(jetson.replace(platform="linux_x86_64")) == (None, ["target-uncovered"])
    told = f"python={python},platform=manylinux_2_35_aarch64"
    assert coral_lock.verify(targeted, site_packages=[directory], target=told) == whole
    with pytest.raises(InputError) as raised:
        coral_lock.verify(targeted, site_packages=[directory])
    assert str(raised.value) == (
        f"which of the lock's targets the directories are for isn't known ({directory})"
    )
    assert (raised.value.expected, raised.value.hint) == (
        "jetson, old",
        "pass `--target NAME`",
    )
    with pytest.raises(UsageError) as usage:
        coral_lock.verify(targeted, python=environment.root, target=told)
    assert str(usage.value) == "an interpreter's target can't be described"


def test_the_python_of_an_image(environment: Environment, image: Path, tmp_path: Path) -> None:
    lock = lock_from_outside(ask_interpreter(str(environment.root)))
    directory = site_directory(image)
    unversioned = tmp_path / "python3" / "dist-packages"
    shutil.copytree(directory, unversioned)
    with pytest.raises(InputError) as raised:
        coral_lock.verify(lock, site_packages=[unversioned])
    assert str(raised.value) == (
        f"the version of Python that the directories are for isn't known ({unversioned})"
    )
    assert raised.value.hint == "pass `--target python=3.11,platform=linux_aarch64`"
    drifted = coral_lock.verify(
        lock, site_packages=[unversioned], target="python=3.9,platform=linux_aarch64"
    )
    assert [(f.code, f.found) for f in drifted if f.severity == "error"] == [
        ("python-drift", "Python 3.9")
    ]


def test_an_image_is_locked_for_its_target(environment: Environment, image: Path) -> None:
    lock = lock_from_outside(ask_interpreter(str(environment.root)))
    target = Target(name="jetson", python=str(lock.host.python), platform="manylinux_2_31_aarch64")
    inventory = EnvironmentInventory(
        checked_directories([str(site_directory(image))]), environment_of(target).markers
    )
    own, _ = resolve(
        survey(
            inventory,
            load_descriptor(None, settings=["host.inference=0.58.0"]),
        )
    )
    assert own == lock


def test_a_link_in_an_image_is_refused(environment: Environment, image: Path) -> None:
    """On the machine it may lead elsewhere than here, to a file of whoever made the image."""
    lock = lock_from_outside(ask_interpreter(str(environment.root)))
    directory = site_directory(image)
    module = directory / PLUGIN_SOURCE
    elsewhere = image / "elsewhere.py"
    shutil.move(module, elsewhere)
    module.symlink_to(elsewhere)
    found = coral_lock.verify(lock, site_packages=[directory])
    assert [(f.code, f.summary) for f in found if f.severity == "error"] == [
        (
            "unusable-record",
            "`my-package`: `my_package/coral_plugins.py` is a link, and where it leads on the "
            "machine isn't known",
        )
    ]
    inventory = EnvironmentInventory([str(directory)], this_markers(), is_image=True)
    ((_, outcome),) = inventory.digests(["my-package"], Reporter())
    assert isinstance(outcome, BrokenDistributionError)
    assert outcome.hint == (
        "install into the image with files that are copied (uv: `--link-mode copy`)"
    )


def test_directories_in_which_nothing_is_installed(tmp_path: Path) -> None:
    empty = tmp_path / "root"
    named = [tmp_path / place for place in ("root/dist-packages", "other/site-packages")]
    for directory in named:
        directory.mkdir(parents=True)
    file = tmp_path / "file"
    file.write_text("")
    for refused, message, expected_hint in (
        (
            empty,
            f"nothing is installed in `{empty}`",
            "name the `site-packages` or `dist-packages` directory itself",
        ),
        (
            file,
            f"the directory `{file}` can't be read: Not a directory",
            "name a directory into which distributions are installed",
        ),
        (
            tmp_path / "absent",
            f"the directory `{tmp_path}/absent` can't be read: No such file or directory",
            "name a directory into which distributions are installed",
        ),
    ):
        with pytest.raises(CoralLockError) as raised:
            checked_directories([str(refused)])
        assert raised.value.message == message
        assert raised.value.hint == expected_hint
        assert raised.value.where == str(refused)
    assert checked_directories([*map(str, named), f"{named[0]}/"]) == tuple(map(str, named))


@pytest.mark.parametrize(
    ("directories", "version"),
    [
        (["/image/usr/lib/python3.11/site-packages"], "3.11"),
        (["/opt/venv/lib/python3.13t/site-packages"], "3.13"),
        (["/usr/local/lib/python3.11/dist-packages", "/usr/lib/python3/dist-packages"], "3.11"),
        (["/a/python3.11/site-packages", "/a/python3.12/site-packages"], None),
        (["/usr/lib/python3/dist-packages"], None),
        (["/usr/lib/python2.7/dist-packages"], None),
        (["/usr/lib/pypy3.10/site-packages"], None),
        ([], None),
    ],
)
def test_the_python_that_paths_tell(directories: list[str], version: str | None) -> None:
    assert python_of(directories) == version


def test_a_target_that_the_lock_doesn_t_have(tmp_path: Path) -> None:
    (tmp_path / "site-packages").mkdir()
    for arguments in ({}, {"site_packages": [tmp_path / "site-packages"]}):
        with pytest.raises(InputError) as raised:
            coral_lock.verify(sample_lock(), target="jetson", **arguments)  # type: ignore[arg-type]
        assert str(raised.value) == "the lock has no target `jetson`"
