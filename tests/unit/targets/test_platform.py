"""Platform tags taken apart, and what runs where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_lock.targets.model import (
    ANY_VERSION,
    GLIBC,
    LINUX,
    MACOS,
    MUSL,
    OTHER,
    WINDOWS,
    Platform,
    parse_platform,
    runs,
    tag_of,
)


def linux(machine: str, libc: str, *version: int) -> Platform:
    return Platform(system=LINUX, machine=machine, libc=libc, version=(version[0], version[1]))


@pytest.mark.parametrize(
    ("tag", "platform", "shown"),
    [
        (
            "manylinux_2_31_aarch64",
            linux("aarch64", GLIBC, 2, 31),
            "Linux on aarch64, glibc 2.31",
        ),
        ("manylinux1_i686", linux("i686", GLIBC, 2, 5), "Linux on i686, glibc 2.5"),
        ("manylinux2010_x86_64", linux("x86_64", GLIBC, 2, 12), "Linux on x86_64, glibc 2.12"),
        ("manylinux2014_aarch64", linux("aarch64", GLIBC, 2, 17), "Linux on aarch64, glibc 2.17"),
        ("linux_armv7l", linux("armv7l", GLIBC, 2, 17), "Linux on armv7l, glibc 2.17"),
        ("musllinux_1_2_x86_64", linux("x86_64", MUSL, 1, 2), "Linux on x86_64, musl 1.2"),
        (
            "macosx_11_0_arm64",
            Platform(system=MACOS, machine="arm64", version=(11, 0)),
            "macOS 11.0 on arm64",
        ),
        (
            "macosx_10_9_universal2",
            Platform(system=MACOS, machine="universal2", version=(10, 9)),
            "macOS 10.9 on universal2",
        ),
        ("win_amd64", Platform(system=WINDOWS, machine="amd64"), "Windows on amd64"),
        ("win32", Platform(system=WINDOWS, machine="x86"), "Windows on x86"),
        ("freebsd_14_amd64", Platform(system=OTHER, machine="freebsd_14_amd64"), None),
        ("linux", Platform(system=OTHER, machine="linux"), None),
        ("manylinux_2_x_aarch64", Platform(system=OTHER, machine="manylinux_2_x_aarch64"), None),
        ("manylinux_2_31", Platform(system=OTHER, machine="manylinux_2_31"), None),
        ("manylinux_²_17_x", Platform(system=OTHER, machine="manylinux_²_17_x"), None),
        (
            "musllinux_1_99999_x86_64",
            Platform(system=OTHER, machine="musllinux_1_99999_x86_64"),
            None,
        ),
    ],
)
def test_a_tag_names_a_platform(tag: str, platform: Platform, shown: str | None) -> None:
    assert parse_platform(tag) == platform
    assert str(platform) == (shown or tag)


@pytest.mark.parametrize(
    "tag",
    ["manylinux_2_31_aarch64", "musllinux_1_2_x86_64", "macosx_11_0_arm64", "win_amd64", "win32"],
)
def test_a_machine_has_the_tag_of_its_best_wheels(tag: str) -> None:
    assert tag_of(parse_platform(tag)) == tag


def test_a_machine_whose_tag_can_t_be_told() -> None:
    unknown_musl = Platform(system=LINUX, machine="x86_64", libc=MUSL, version=ANY_VERSION)
    assert str(unknown_musl) == "Linux on x86_64, musl"
    assert tag_of(unknown_musl) is None
    assert tag_of(Platform(system=MACOS, machine="arm64")) is None
    assert tag_of(Platform(system=OTHER, machine="freebsd14_amd64")) is None


MACHINE = linux("aarch64", GLIBC, 2, 31)


@pytest.mark.parametrize(
    ("machine", "tag", "expected"),
    [
        (MACHINE, "manylinux_2_31_aarch64", True),
        (MACHINE, "manylinux2014_aarch64", True),
        (MACHINE, "linux_aarch64", True),
        (MACHINE, "manylinux_2_32_aarch64", False),
        (MACHINE, "manylinux_3_0_aarch64", False),
        (MACHINE, "manylinux_2_31_x86_64", False),
        (MACHINE, "musllinux_1_1_aarch64", False),
        (MACHINE, "win_arm64", False),
        (MACHINE, "aarch64", False),
        (linux("armv8l", GLIBC, 2, 31), "manylinux_2_28_armv7l", True),
        (linux("armv7l", GLIBC, 2, 31), "manylinux_2_28_armv8l", False),
        (linux("x86_64", GLIBC, 2, 16), "linux_x86_64", False),
        (linux("x86_64", MUSL, 1, 2), "linux_x86_64", False),
        (linux("x86_64", MUSL, *ANY_VERSION), "musllinux_1_2_x86_64", True),
        (Platform(system=MACOS, machine="arm64", version=(14, 4)), "macosx_11_0_arm64", True),
        (Platform(system=MACOS, machine="arm64", version=(14, 4)), "macosx_11_0_x86_64", False),
        (Platform(system=MACOS, machine="arm64", version=(14, 4)), "macosx_11_0_universal2", True),
        (Platform(system=MACOS, machine="x86_64", version=(10, 8)), "macosx_10_9_x86_64", False),
        (Platform(system=WINDOWS, machine="amd64"), "win_amd64", True),
        (Platform(system=WINDOWS, machine="amd64"), "win32", False),
        (Platform(system=OTHER, machine="freebsd14_amd64"), "freebsd14_amd64", True),
    ],
)
def test_what_a_machine_runs(machine: Platform, tag: str, expected: bool) -> None:
    assert runs(machine, parse_platform(tag)) is expected


@given(st.text(max_size=40))
def test_any_text_is_taken_apart(text: str) -> None:
    platform = parse_platform(text)
    assert runs(platform, platform)
