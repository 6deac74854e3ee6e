"""Names of distributions, plugins and entry points."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from coral_lock.names import (
    is_normalized_name,
    is_object_reference,
    is_plugin_name,
    normalized_name,
    plugin_id,
    split_plugin_id,
)


@given(st.one_of(st.text(max_size=12), st.text("aZ09-_.é", max_size=12)))
def test_normalizing_agrees_with_packaging(name: str) -> None:
    assert normalized_name(name) == canonicalize_name(name)


@given(st.text("aZ09-_.", max_size=12))
def test_normalized_names_are_those_of_valid_names(name: str) -> None:
    is_valid = bool(name) and name[0].isalnum() and name[-1].isalnum()
    assert is_normalized_name(normalized_name(name)) == is_valid


@pytest.mark.parametrize(
    "name", ["", "-", "a-", "-a", "a--b", "A", "a.b", "a_b", "é", "a\n", "a b"]
)
def test_what_is_no_normalized_name(name: str) -> None:
    assert not is_normalized_name(name)


@pytest.mark.parametrize("name", ["camera", "a:b", "with space", "名前", "x" * 200])
def test_plugin_names(name: str) -> None:
    assert is_plugin_name(name)
    assert split_plugin_id(plugin_id("patches", name)) == ("patches", name)


@pytest.mark.parametrize("name", ["", " a", "a ", "a@b", "a\nb", "a\u202eb", "x" * 201, 1, None])
def test_what_is_no_plugin_name(name: object) -> None:
    assert not is_plugin_name(name)


@pytest.mark.parametrize("identifier", ["", "patches", "patches:", ":a", "patch:a", "patches:a@b"])
def test_what_is_no_plugin_id(identifier: str) -> None:
    with pytest.raises(ValueError, match=r".*") as caught:
        split_plugin_id(identifier)
    assert caught.value.args == (identifier,)


@pytest.mark.parametrize("value", ["a:b", "a.b.c:d.e", "größe:名前"])
def test_object_references(value: str) -> None:
    assert is_object_reference(value)


@pytest.mark.parametrize(
    "value", ["", "a", "a:", ":b", "a..b:c", "a:b:c", "a: b", "a:b [x]", "a-b:c"]
)
def test_what_is_no_object_reference(value: str) -> None:
    assert not is_object_reference(value)
