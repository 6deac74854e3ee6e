"""Which wheels fit a target: what `packaging` says, told without it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_lock.targets.environment import environment_of
from coral_lock.targets.model import Target, fits

TARGETS = tuple(
    Target(name="t", python=python, platform=platform)
    for python in ("3.10", "3.11.7", "3.13")
    for platform in (
        "manylinux_2_31_aarch64",
        "manylinux_2_5_x86_64",
        "manylinux_2_28_x86_64",
        "linux_aarch64",
        "linux_x86_64",
        "musllinux_1_2_x86_64",
        "win_amd64",
        "macosx_12_0_arm64",
        "macosx_11_0_x86_64",
    )
)
ARCHITECTURES = ("x86_64", "aarch64", "arm64", "i686", "universal2", "amd64")
PYTHONS = (
    *("cp3", "cp32", "cp31", "cp39", "cp310", "cp311", "cp313", "cp314", "cp0310"),
    *("py2", "py3", "py30", "py39", "py310", "py312", "py315", "pp310", "py"),
)
ABIS = ("none", "abi3", "cp310", "cp311", "cp313", "cp313t", "abi4")
FAMILIES = (
    *("linux", "manylinux1", "manylinux2010", "manylinux2014", "musllinux_1_1", "win"),
    *("manylinux_2_4", "manylinux_2_5", "manylinux_2_17", "manylinux_2_28", "manylinux_2_31"),
    *("manylinux_2_35", "musllinux_1_2", "musllinux_1_3", "macosx_11_0", "macosx_10_9"),
    "macosx_14_0",
)
PLATFORMS = ("any", "win32", *(f"{f}_{a}" for f in FAMILIES for a in ARCHITECTURES))


@given(
    target=st.sampled_from(TARGETS),
    parts=st.tuples(
        *(
            st.lists(st.sampled_from(parts), min_size=1, max_size=3, unique=True)
            for parts in (PYTHONS, ABIS, PLATFORMS)
        )
    ),
)
def test_a_wheel_fits_where_packaging_says_so(target: Target, parts: tuple[list[str], ...]) -> None:
    supported = set(environment_of(target).tags)
    single = {
        f"{python}-{abi}-{platform}"
        for python in parts[0]
        for abi in parts[1]
        for platform in parts[2]
    }
    compressed = "-".join(".".join(part) for part in parts)
    old = {"manylinux_2_4_x86_64", "manylinux_2_4_i686"}
    if target.platform.startswith("manylinux") and old & set(parts[2]):
        return
    is_supported = bool(single & supported)
    # macOS has versions of which there are no tags; they may fit all the same.
    is_exact = not target.platform.startswith("macosx")
    assert fits(compressed, target) is is_supported or (not is_exact and not is_supported)


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_everything_that_packaging_supports_fits(target: Target) -> None:
    assert [tag for tag in environment_of(target).tags if not fits(tag, target)] == []


@pytest.mark.parametrize("text", ["", "-", "--", "a", "py3-none", "py3-none-any-more", "..-..-.."])
def test_what_is_no_tag_fits_nothing(text: str) -> None:
    assert [target for target in TARGETS if fits(text, target)] == (
        list(TARGETS) if text == "py3-none-any-more" else []
    )
