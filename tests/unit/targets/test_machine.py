"""What machine this is, and which target a machine is."""

from __future__ import annotations

import platform
import sys
import sysconfig

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_lock.targets.machine import (
    Machine,
    machine_of,
    matching_target,
    platform_of,
    this_machine,
)
from coral_lock.targets.model import Target, parse_platform, runs


def target(name: str, python: str = "3.10", platform: str = "manylinux_2_31_aarch64") -> Target:
    return Target(name=name, python=python, platform=platform)


def test_this_machine() -> None:
    machine = this_machine()
    assert machine.python == platform.python_version().partition("rc")[0].partition("+")[0]
    assert machine.language_version == sysconfig.get_python_version()
    if sys.platform == "linux":
        name, version = platform.libc_ver()
        assert str(machine) == (
            f"Python {machine.python}, Linux on {machine.platform.machine}, "
            f"{name or 'musl'}{f' {version}' if name else ''}"
        )


def test_it_is_told_without_what_is_slow_to_import() -> None:
    import subprocess

    program = (
        "import sys; from coral_lock.targets.machine import this_machine; this_machine();"
        "print(sorted({'platform', 'packaging', 'subprocess', 're'} & set(sys.modules)))"
    )
    done = subprocess.run(
        (sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}; {program}"),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout == "[]\n" or sys.platform != "linux"


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        (
            {"system": "linux", "machine": "aarch64", "libc": "glibc 2.31"},
            "Linux on aarch64, glibc 2.31",
        ),
        (
            {"system": "linux", "machine": "aarch64", "libc": "glibc 2.36.9000"},
            "Linux on aarch64, glibc 2.36",
        ),
        (
            {"system": "linux", "machine": "aarch64", "libc": "glibc 2.31", "is_narrow": True},
            "Linux on armv8l, glibc 2.31",
        ),
        (
            {"system": "linux", "machine": "x86_64", "libc": "glibc 2.31", "is_narrow": True},
            "Linux on i686, glibc 2.31",
        ),
        (
            {"system": "linux", "machine": "armv7l", "libc": "glibc 2.31", "is_narrow": True},
            "Linux on armv7l, glibc 2.31",
        ),
        ({"system": "linux", "machine": "x86_64", "libc": ""}, "Linux on x86_64, musl"),
        ({"system": "linux", "machine": "x86_64", "libc": "glibc x"}, "Linux on x86_64, musl"),
        ({"system": "darwin", "machine": "arm64", "release": "14.4.1"}, "macOS 14.4 on arm64"),
        ({"system": "darwin", "machine": "arm64", "release": "15"}, "macOS 15.0 on arm64"),
        ({"system": "win32", "machine": "AMD64"}, "Windows on amd64"),
        ({"system": "freebsd14", "machine": "AMD64"}, "freebsd14_amd64"),
    ],
)
def test_a_platform_is_told_from_facts(facts: dict[str, object], shown: str) -> None:
    assert str(platform_of(**facts)) == shown  # type: ignore[arg-type]


DEVICE = Machine(python="3.10.13", platform=parse_platform("manylinux_2_35_aarch64"))


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ([], None),
        ([target("jetson")], "jetson"),
        ([target("jetson", python="3.10.13")], "jetson"),
        ([target("jetson", python="3.10.12")], None),
        ([target("jetson", python="3.11")], None),
        ([target("jetson", python="3.1")], None),
        ([target("x86", platform="manylinux_2_31_x86_64")], None),
        ([target("newer", platform="manylinux_2_36_aarch64")], None),
        ([target("alpine", platform="musllinux_1_2_aarch64")], None),
        ([target("a"), target("b", platform="manylinux_2_34_aarch64")], "b"),
        ([target("b"), target("a", platform="manylinux_2_34_aarch64")], "a"),
        ([target("a", python="3.10.13"), target("b")], "a"),
        ([target("a", python="3.10.13"), target("b", platform="manylinux_2_34_aarch64")], "b"),
        ([target("a"), target("b")], "b"),
        ([target("old", platform="linux_aarch64"), target("x", python="3.11")], "old"),
    ],
)
def test_which_target_a_machine_is(targets: list[Target], expected: str | None) -> None:
    for order in (targets, targets[::-1]):
        found = matching_target(order, DEVICE)
        assert (found.name if found else None) == expected


PLATFORMS = st.sampled_from(
    [
        "linux_aarch64",
        "manylinux2014_x86_64",
        "manylinux_2_31_aarch64",
        "musllinux_1_2_x86_64",
        "macosx_11_0_arm64",
        "win_amd64",
        "freebsd_14_amd64",
    ]
)
TARGETS = st.lists(
    st.builds(
        Target,
        name=st.sampled_from("abcdefgh"),
        python=st.sampled_from(["3.10", "3.10.13", "3.11", "3.11.7"]),
        platform=PLATFORMS,
    ),
    unique_by=lambda each: each.name,
    max_size=8,
)


@given(TARGETS, st.randoms())
def test_the_order_of_targets_never_matters(targets: list[Target], random: object) -> None:
    shuffled = list(targets)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    found = matching_target(targets, DEVICE)
    assert matching_target(shuffled, DEVICE) == found
    if found is not None:
        assert runs(DEVICE.platform, parse_platform(found.platform))


@given(TARGETS)
def test_the_machine_of_a_target_is_that_target_alone_or_a_like_one(targets: list[Target]) -> None:
    for each in targets:
        machine = machine_of(each)
        assert matching_target([each], machine) == each
        found = matching_target(targets, machine)
        assert found is not None
        assert runs(machine.platform, parse_platform(found.platform))


def test_a_machine_of_a_target_is_shown() -> None:
    assert str(machine_of(target("jetson"))) == "Python 3.10, Linux on aarch64, glibc 2.31"
