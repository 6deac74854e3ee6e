"""Unquoted scalars mean what YAML 1.2's core schema says."""

from __future__ import annotations

import pytest

from coral_lock.document.node import RefusedNumberError, resolve_plain


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("true", True),
        ("TRUE", True),
        ("False", False),
        ("0", 0),
        ("-0", 0),
        ("+12", 12),
        ("010", 10),
        ("0o17", 15),
        ("0xFf", 255),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("0" * 10_000 + "7", 7),
        ("1.10", 1.1),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("-1.5E-2", -0.015),
    ],
)
def test_a_scalar_of_the_core_schema(text: str, value: object) -> None:
    resolved = resolve_plain(text)
    assert resolved == value
    assert type(resolved) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "yes", "no", "on", "off", "y", "n", "tRUE", "nULL", "0b1", "0o8", "0x", "-0x1", "1_000",
        "12:30", "2024-01-01", "1.2.3", "+", "-", ".", "e5", "1e", "=", "<<", "١", ".Nan", "inf",
    ],
)  # fmt: skip
def test_text_that_other_readers_take_for_something_else(text: str) -> None:
    assert resolve_plain(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (".nan", "a finite number"),
        (".NaN", "a finite number"),
        (".inf", "a finite number"),
        ("-.INF", "a finite number"),
        ("1e999", "a number that fits into 64 bits"),
        ("9223372036854775808", "an integer of at most 64 bits"),
        ("-9223372036854775809", "an integer of at most 64 bits"),
        ("0xFFFFFFFFFFFFFFFF", "an integer of at most 64 bits"),
        ("9" * 1_000_000, "an integer of at most 64 bits"),
        ("0x" + "f" * 1_000_000, "an integer of at most 64 bits"),
    ],
)
def test_a_number_that_cannot_be_held(text: str, expected: str) -> None:
    with pytest.raises(RefusedNumberError) as caught:
        resolve_plain(text)
    assert str(caught.value) == expected
