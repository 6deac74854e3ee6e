"""Versions, told without `packaging`."""

from __future__ import annotations

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import InvalidVersion, Version

from coral_lock.document.formats import is_same_version, is_version
from coral_lock.document.schema import schema_text

SCHEMA = jsonschema.Draft202012Validator(json.loads(schema_text("descriptor"))["$defs"]["version"])

_PARTS = st.sampled_from(
    [
        "0", "1", "23", "007", ".", "-", "_", "+", "!", "v", "V", "a", "b", "c", "rc", "RC",
        "alpha", "beta", "pre", "preview", "post", "rev", "r", "dev", "Dev", "acme", "*",
    ]
)  # fmt: skip


def _is_one_for_packaging(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return text == text.strip()


@given(
    st.lists(_PARTS, max_size=9).map("".join)
    | st.from_regex(r"[0-9]+[-_.a-z0-9+]{0,12}", fullmatch=True)
    | st.text(st.characters(max_codepoint=127), max_size=12)
)
def test_a_version_is_what_packaging_and_the_schema_take_for_one(text: str) -> None:
    assert is_version(text) == _is_one_for_packaging(text)
    assert is_version(text) == SCHEMA.is_valid(text)


@pytest.mark.parametrize(
    "text", ["0.0.4", "0.58.0", "1!2.0rc1.post2.dev3+local.4", "v1", "1.0-1", "0" * 100]
)
def test_a_version(text: str) -> None:
    assert is_version(text)


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "1\n", "1.x", "latest", ">=1", "1.po\u017ft1", "\u0661", "0" * 101]
)
def test_no_version(text: str) -> None:
    assert not is_version(text)
    assert not SCHEMA.is_valid(text)


def _is_same_for_packaging(first: str, second: str) -> bool:
    if not (_is_one_for_packaging(first) and _is_one_for_packaging(second)):
        return first == second
    return Version(first) == Version(second)


_VERSIONS = st.from_regex(
    r"v?([01]!)?0?1(\.0){0,2}(\.?2)?([-_.]?(a|alpha|c|rc|pre)[-_.]?[01]?)?"
    r"(-1|[-_.]?(post|r)[-_.]?[01]?)?([-_.]?dev[-_.]?[01]?)?(\+(a|01|1)([-_.](b|2))?)?",
    fullmatch=True,
)


@given(_VERSIONS | st.sampled_from(["", "x"]), _VERSIONS | st.sampled_from(["", "x"]))
def test_two_versions_are_the_same_where_packaging_says_so(first: str, second: str) -> None:
    assert is_same_version(first, second) == _is_same_for_packaging(first, second)


@pytest.mark.parametrize(
    "spellings",
    [
        ("0.0.4", "v0.0.4", "0.0.4.0", "0!0.0.4", "00.0.04"),
        ("1.0rc1", "1.0-RC.1", "v1c1", "1.preview_1", "1.0.0-pre1"),
        ("1.0.post2", "1-2", "1.0-r2", "1rev2"),
        ("1.dev0", "1.0.DEV", "1_dev"),
        ("1+acme.7", "1.0+Acme-07"),
    ],
)
def test_the_spellings_of_a_version(spellings: tuple[str, ...]) -> None:
    for first in spellings:
        for second in spellings:
            assert is_same_version(first, second)
            assert _is_same_for_packaging(first, second)
        assert not is_same_version(first, "1.2.3")
