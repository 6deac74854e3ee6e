"""Versions, told without `packaging`."""

from __future__ import annotations

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import InvalidVersion, Version

from coral_lock.document.versions import is_version
from coral_lock.schema_files import schema_text

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
