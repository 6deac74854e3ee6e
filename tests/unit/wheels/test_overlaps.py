"""Places that two distributions claim."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_lock.locking.placement import Overlap, overlaps

ONE, TWO, THREE = "1" * 64, "2" * 64, "3" * 64

Files = dict[str, dict[str, str]]

CASES: list[tuple[str, Files, list[tuple[str, str, str, str]]]] = [
    ("nothing", {}, []),
    ("one distribution", {"a": {"x": ONE, "y": TWO}}, []),
    ("other paths", {"a": {"n/x": ONE}, "b": {"n/y": TWO}}, []),
    ("the same bytes", {"a": {"n/__init__.py": ONE}, "b": {"n/__init__.py": ONE}}, []),
    ("other bytes", {"b": {"x": ONE}, "a": {"x": TWO}}, [("x", "a", "b", "x")]),
    (
        "two of three differ",
        {"a": {"x": ONE}, "b": {"x": TWO}, "c": {"x": ONE}},
        [("x", "a", "b", "x"), ("x", "b", "c", "x")],
    ),
    (
        "all differ",
        {"a": {"x": ONE}, "b": {"x": TWO}, "c": {"x": THREE}},
        [("x", "a", "b", "x"), ("x", "a", "c", "x"), ("x", "b", "c", "x")],
    ),
    ("case", {"a": {"X/y": ONE}, "b": {"x/Y": ONE}}, [("X/y", "a", "b", "x/Y")]),
    (
        "a file and a directory",
        {"a": {"n": ONE}, "b": {"n/x/y": ONE, "n/x/z": ONE}},
        [("n", "a", "b", "n/x/y")],
    ),
    ("a directory and a file", {"a": {"n/x": ONE}, "b": {"n": ONE}}, [("n/x", "a", "b", "n")]),
    ("in another case", {"a": {"n/m": ONE}, "b": {"N/M/x": ONE}}, [("n/m", "a", "b", "N/M/x")]),
    ("nearly a directory", {"a": {"n": ONE}, "b": {"n-x/y": ONE, "nn/y": ONE}}, []),
    ("letters that fold alike", {"a": {"straße": ONE, "strasse": TWO}}, []),
]

FILES = st.dictionaries(
    st.sampled_from("abc"),
    st.dictionaries(
        st.sampled_from(["x", "X", "x/y", "x/y/z", "x/z", "u/v"]), st.sampled_from([ONE, TWO])
    ),
)


@pytest.mark.parametrize(("files", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_overlaps(files: Files, expected: list[tuple[str, str, str, str]]) -> None:
    assert overlaps(files) == tuple(
        Overlap(path=path, first=first, second=second, second_path=second_path)
        for path, first, second, second_path in expected
    )


@given(FILES)
def test_the_order_of_anything_never_matters(files: Files) -> None:
    turned = {name: dict(reversed(paths.items())) for name, paths in reversed(files.items())}
    assert overlaps(turned) == overlaps(files)


@given(FILES)
def test_every_two_distributions_that_overlap_are_told(files: Files) -> None:
    def clash(one: dict[str, str], other: dict[str, str]) -> bool:
        return any(
            (x.lower() == y.lower() and (x != y or one[x] != other[y]))
            or x.lower().startswith(f"{y.lower()}/")
            or y.lower().startswith(f"{x.lower()}/")
            for x in one
            for y in other
        )

    expected = {
        (first, second)
        for first in files
        for second in files
        if first < second and clash(files[first], files[second])
    }
    assert {(found.first, found.second) for found in overlaps(files)} == expected
