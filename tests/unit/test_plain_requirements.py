"""Requirements that are read without `packaging`'s parser are what it makes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import InvalidRequirement, Requirement

from coral_lock.locking.closure import PlainRequirement, RequirementsOf

_CLAUSE = r"(==|!=|<=|>=|~=|===|=|<|>) {0,2}[0-9.v*]{1,6}"
TEXTS = st.from_regex(
    rf"\A ?[a-zA-Z0-9._-]{{1,6}} {{0,2}}\(?({_CLAUSE}( ?, ?({_CLAUSE})?)*)?\)? ?(\[a\]|; ?a)?\Z"
)


def _read(text: str) -> RequirementsOf:
    return RequirementsOf("it", (text,), dict)


@given(TEXTS)
def test_they_are_what_packaging_reads(text: str) -> None:
    read = _read(text)
    try:
        expected = Requirement(text)
    except InvalidRequirement:
        assert read.malformed == (text,)
        return
    for found in read.of(""):
        assert (found.name, found.specifier, found.extras, found.marker, found.url) == (
            expected.name,
            expected.specifier,
            expected.extras,
            expected.marker,
            expected.url,
        )
        assert str(found) == str(expected)


@pytest.mark.parametrize(
    ("text", "is_plain"),
    [
        ("acme", True),
        ("acme>=1.0", True),
        ("acme.core_x >= 1.0, !=1.5 ,<2", True),
        ("acme~=1.4", True),
        ("acme==1.*", False),
        ("acme>=1.0rc1", False),
        ("acme[fast]", False),
        ("acme (>=1)", False),
        ("acme>=1; python_version > '3'", False),
        ("acme @ https://example.org/acme.whl", False),
    ],
)
def test_which_of_them_are_plain(text: str, is_plain: bool) -> None:
    read = RequirementsOf("it", (text,), lambda: {"python_version": "3.11"})
    (found,) = read.of("")
    assert isinstance(found, PlainRequirement) is is_plain


@pytest.mark.parametrize(
    "text", ["acme>=1,,<2", "acme~=1", "-acme", "acme-", "acme 1", "acme>=", "acme,>=1"]
)
def test_what_is_no_requirement_is_none(text: str) -> None:
    assert _read(text).malformed == (text,)
