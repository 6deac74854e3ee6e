"""What is meant by a platform that no wheel tag has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_lock.targets.machine import likely_platform
from coral_lock.targets.model import is_platform_tag, parse_platform


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("aarch64", "manylinux_2_28_aarch64"),
        ("arm64", "manylinux_2_28_aarch64"),
        ("linux-aarch64", "manylinux_2_28_aarch64"),
        ("linux/arm64", "manylinux_2_28_aarch64"),
        ("linux/arm64/v8", "manylinux_2_28_aarch64"),
        ("aarch64-unknown-linux-gnu", "manylinux_2_28_aarch64"),
        ("x86-64", "manylinux_2_28_x86_64"),
        ("linux/amd64", "manylinux_2_28_x86_64"),
        ("x86_64-unknown-linux-musl", "musllinux_1_2_x86_64"),
        ("alpine-arm64", "musllinux_1_2_aarch64"),
        ("linux/arm/v7", "manylinux_2_28_armv7l"),
        ("manylinux-x86_64", "manylinux_2_28_x86_64"),
        ("macosx-11.0-aarch64", None),
        ("darwin-x64", None),
        ("win-amd64", None),
        ("x86_64-pc-windows-msvc", None),
        ("linux/386", "manylinux_2_28_i686"),
        ("jetson", None),
        ("linux_", None),
        ("linux/riscv64", "manylinux_2_28_riscv64"),
        ("arm64" * 100, None),
        ("", None),
    ],
)
def test_what_a_text_may_stand_for(text: str, tag: str | None) -> None:
    assert likely_platform(text) == tag


_WORDS = st.sampled_from(
    [
        "linux", "manylinux", "manylinux2014", "musl", "musllinux", "macosx", "darwin", "win",
        "windows", "win32", "win64", "any", "arm", "arm64", "aarch64", "x86", "x86_64", "amd64",
        "riscv64", "1", "2", "28", "gnu", "x", "", "é",
    ]
)  # fmt: skip


@given(
    st.builds(
        lambda words, by: by.join(words), st.lists(_WORDS, max_size=6), st.sampled_from("_-/.")
    )
    | st.text()
)
def test_what_is_proposed_is_a_tag_for_linux(text: str) -> None:
    tag = likely_platform(text)
    if tag is not None:
        assert is_platform_tag(tag)
        assert parse_platform(tag).libc
