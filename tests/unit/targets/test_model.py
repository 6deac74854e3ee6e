"""Targets as values: what is well-formed, and how they are shown."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_lock.targets.model import Target, is_platform_tag, is_python_version, is_target_name


def test_a_target() -> None:
    target = Target(name="jetson", python="3.10.13", platform="manylinux_2_31_aarch64")
    assert str(target) == "jetson (Python 3.10.13, manylinux_2_31_aarch64)"
    assert target.language_version == "3.10"
    assert target.replace(python="3.10").language_version == "3.10"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "Jetson"},
        {"name": "jetson orin"},
        {"name": "-jetson"},
        {"name": "jetson."},
        {"name": "j" * 101},
        {"python": ""},
        {"python": "3"},
        {"python": "2.7"},
        {"python": "3.010"},
        {"python": "3.10.1.2"},
        {"python": "3.x"},
        {"python": "3.١٠"},
        {"python": "3.10000"},
        {"python": "3." + "1" * 5000},
        {"platform": ""},
        {"platform": "any"},
        {"platform": "linux-aarch64"},
        {"platform": "linux_AARCH64"},
        {"platform": "_linux"},
        {"platform": "l" * 101},
    ],
)
def test_what_is_no_target(changes: dict[str, str]) -> None:
    valid = {"name": "jetson", "python": "3.10", "platform": "linux_aarch64"}
    ((field, value),) = changes.items()
    rule = f"a target's {field} .*, not `{re.escape(value)}`"
    with pytest.raises(ValueError, match=f"(?is)^{rule}$"):
        Target(**{**valid, **changes})


@given(st.text(max_size=30))
def test_any_text_is_judged(text: str) -> None:
    for is_right in (is_target_name, is_python_version, is_platform_tag):
        assert is_right(text) in (True, False)
