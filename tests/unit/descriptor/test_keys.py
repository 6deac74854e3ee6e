"""Dotted keys, written and read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_lock.descriptor.load import split_setting
from coral_lock.document.node import dotted

_NOT_DOTTED = 'a key is names joined by dots, one with a dot in it quoted: `patches."odd.name"`'


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        (("patches", "camera_stabilizer"), "patches.camera_stabilizer"),
        (("patches", "acme-vision"), "patches.acme-vision"),
        (("patches", "odd.name"), 'patches."odd.name"'),
        (("patches", ""), 'patches.""'),
        (("patches", 'a"b\n'), 'patches."a\\"b\\n"'),
        (("odd name",), '"odd name"'),
        (("backends", "modules", 0), "backends.modules[0]"),
    ],
)
def test_a_key_as_text(parts: tuple[str | int, ...], key: str) -> None:
    assert dotted(parts) == key


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("a.b=c", (("a", "b"), "a.b", "c")),
        ("a=b=c", (("a",), "a", "b=c")),
        ("a=", (("a",), "a", "")),
        ('a."b.c=d".e=f', (("a", "b.c=d", "e"), 'a."b.c=d".e', "f")),
        ('a."\\u0062"=c', (("a", "b"), 'a."\\u0062"', "c")),
    ],
)
def test_a_setting_is_split(setting: str, expected: tuple[tuple[str, ...], str, str]) -> None:
    assert split_setting(setting) == expected


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("", _NOT_DOTTED),
        ("a", "there is no `=` after the key"),
        ("a.=b", _NOT_DOTTED),
        ("=b", _NOT_DOTTED),
        ('a."b', _NOT_DOTTED),
        ('a."b\\', _NOT_DOTTED),
        ('a."\\x"=b', "the key's quoted part isn't a JSON string"),
        ('"a"b=c', _NOT_DOTTED),
    ],
)
def test_what_is_no_setting(setting: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        split_setting(setting)
    assert str(caught.value) == message


@given(st.lists(st.text(), min_size=1, max_size=5), st.text())
def test_a_written_key_is_read_back(parts: list[str], value: str) -> None:
    key = dotted(parts)
    assert split_setting(f"{key}={value}") == (tuple(parts), key, value)
