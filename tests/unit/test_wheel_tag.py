"""The key of a digest: the compressed, sorted tag set of WHEEL."""

from __future__ import annotations

import pytest

from coral_lock.installed.dist_info import parse_wheel_tag


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["py3-none-any"], "py3-none-any"),
        (["py3-none-any", "py2-none-any"], "py2.py3-none-any"),
        (
            ["cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux2014_x86_64"],
            "cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64",
        ),
        (
            ["cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64"],
            "cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64",
        ),
    ],
)
def test_the_tags_are_one_sorted_set_however_they_are_written(
    tags: list[str], expected: str
) -> None:
    text = "Wheel-Version: 1.0\n" + "".join(f"Tag: {tag}\n" for tag in tags)
    assert parse_wheel_tag(text) == expected


@pytest.mark.parametrize("tags", [[], ["py3-none"], ["py3-none-any-more"], ["py3..py2-none-any"]])
def test_tags_that_are_none_are_refused(tags: list[str]) -> None:
    text = "".join(f"Tag: {tag}\n" for tag in tags)
    with pytest.raises(ValueError, match=r"\Astates no tag\Z"):
        parse_wheel_tag(text)
