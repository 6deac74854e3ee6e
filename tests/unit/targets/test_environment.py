"""The wheel tags and markers of targets, held against those of `packaging`."""

from __future__ import annotations

import platform
import sys

import pytest
from packaging.markers import Marker, default_environment
from packaging.tags import mac_platforms, sys_tags

from coral_lock.targets.environment import environment_of, this_environment
from coral_lock.targets.machine import this_machine
from coral_lock.targets.model import GLIBC, Target, tag_of

IS_USUAL = (
    this_machine().platform.libc == GLIBC
    and sys.implementation.name == "cpython"
    and not sys.flags.dev_mode
    and not getattr(sys, "abiflags", "")
)


def tags(python: str, platform: str) -> tuple[str, ...]:
    return environment_of(Target(name="target", python=python, platform=platform)).tags


@pytest.mark.skipif(not IS_USUAL, reason="this isn't a usual CPython on glibc")
def test_the_tags_of_this_machine_are_those_of_packaging() -> None:
    machine = this_machine()
    tag = tag_of(machine.platform)
    assert tag is not None
    computed = tags(machine.python, tag)
    assert set(computed) == set(map(str, sys_tags()))
    assert len(set(computed)) == len(computed)
    assert computed == tags(machine.language_version, tag)


@pytest.mark.skipif(not IS_USUAL, reason="this isn't a usual CPython on glibc")
def test_the_markers_of_this_machine_are_those_of_packaging() -> None:
    machine = this_machine()
    target = Target(name="here", python=machine.python, platform=tag_of(machine.platform) or "")
    unknowable = {"platform_release": "", "platform_version": ""}
    assert environment_of(target).markers == {**default_environment(), **unknowable}


def test_this_environment() -> None:
    environment = this_environment()
    assert environment.markers == default_environment()
    assert environment.tags == tuple(map(str, sys_tags()))
    assert platform.python_version().startswith(f"{environment.markers['python_version']}.")


@pytest.mark.parametrize(
    ("tag", "supported", "unsupported"),
    [
        (
            "manylinux_2_28_aarch64",
            ["manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"],
            ["manylinux_2_29_aarch64", "manylinux_2_16_aarch64", "manylinux2010_aarch64"],
        ),
        (
            "linux_x86_64",
            ["linux_x86_64", "manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"],
            ["manylinux_2_18_x86_64", "manylinux_2_4_x86_64", "musllinux_1_1_x86_64"],
        ),
        ("manylinux2010_i686", ["manylinux_2_12_i686", "manylinux1_i686"], ["manylinux2014_i686"]),
        (
            "manylinux_2_31_armv8l",
            ["linux_armv8l", "linux_armv7l", "manylinux_2_31_armv7l"],
            ["linux_aarch64", "linux_armv6l"],
        ),
        ("manylinux_2_31_armv7l", ["manylinux2014_armv7l"], ["manylinux_2_31_armv8l"]),
        (
            "musllinux_1_2_aarch64",
            ["musllinux_1_2_aarch64", "musllinux_1_0_aarch64", "linux_aarch64"],
            ["musllinux_1_3_aarch64", "manylinux2014_aarch64"],
        ),
        ("win_amd64", ["win_amd64"], ["win32", "linux_x86_64"]),
        ("win32", ["win32"], ["win_amd64"]),
        ("freebsd_14_amd64", ["freebsd_14_amd64"], ["linux_amd64"]),
        (
            "macosx_12_0_arm64",
            [str(each) for each in mac_platforms((12, 0), "arm64")],
            ["macosx_13_0_arm64", "macosx_12_0_x86_64"],
        ),
    ],
)
def test_the_platforms_that_a_target_supports(
    tag: str, supported: list[str], unsupported: list[str]
) -> None:
    computed = tags("3.10", tag)
    for each in supported:
        assert f"cp310-cp310-{each}" in computed
        assert f"cp39-abi3-{each}" in computed
        assert f"py3-none-{each}" in computed
    for each in unsupported:
        assert not any(found.endswith(f"-{each}") for found in computed)


def test_the_pythons_that_a_target_supports() -> None:
    computed = tags("3.10.13", "linux_aarch64")
    assert computed[0] == "cp310-cp310-linux_aarch64"
    for each in ("cp310-none-any", "py310-none-any", "py3-none-any", "py39-none-any"):
        assert each in computed
    for each in ("cp311", "py311", "cp310-cp310t", "cp311-abi3", "cp39-cp39", "pp310"):
        assert not any(found.startswith(f"{each}-") for found in computed)


@pytest.mark.parametrize(
    ("python", "tag", "expected"),
    [
        ("3.10", "manylinux_2_31_aarch64", "python_full_version == '3.10.0'"),
        ("3.10.13", "manylinux_2_31_aarch64", "python_full_version == '3.10.13'"),
        ("3.10.13", "manylinux_2_31_aarch64", "implementation_version == '3.10.13'"),
        ("3.10", "manylinux_2_31_aarch64", "python_version < '3.11'"),
        ("3.10", "manylinux_2_31_aarch64", "platform_machine == 'aarch64'"),
        ("3.10", "linux_armv7l", "platform_machine == 'armv7l'"),
        ("3.10", "musllinux_1_2_x86_64", "sys_platform == 'linux' and os_name == 'posix'"),
        ("3.10", "musllinux_1_2_x86_64", "platform_system == 'Linux'"),
        ("3.10", "win_amd64", "sys_platform == 'win32' and os_name == 'nt'"),
        ("3.10", "win_amd64", "platform_machine == 'AMD64' and platform_system == 'Windows'"),
        ("3.10", "win32", "platform_machine == 'x86'"),
        ("3.10", "win_arm64", "platform_machine == 'ARM64'"),
        ("3.10", "macosx_12_0_arm64", "sys_platform == 'darwin' and platform_machine == 'arm64'"),
        ("3.10", "macosx_12_0_arm64", "platform_system == 'Darwin' and os_name == 'posix'"),
        ("3.10", "linux_aarch64", "platform_release == '' and platform_version == ''"),
        ("3.10", "linux_aarch64", "implementation_name == 'cpython'"),
        ("3.10", "linux_aarch64", "platform_python_implementation == 'CPython'"),
        ("3.10", "freebsd_14_amd64", "sys_platform == '' and os_name == ''"),
    ],
)
def test_the_markers_of_a_target(python: str, tag: str, expected: str) -> None:
    environment = environment_of(Target(name="target", python=python, platform=tag))
    assert environment.markers.keys() == default_environment().keys()
    assert Marker(expected).evaluate(dict(environment.markers))
