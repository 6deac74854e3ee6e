"""Unquoted scalars, resolved by the YAML 1.2 core schema.

Source: YAML 1.2.2, section 10.3.2. So `yes`, `no`, `on` and `off` are text, unlike in
YAML 1.1. What JSON can't hold, or a 64-bit reader would garble, is refused.
"""

from __future__ import annotations

_CONSTANTS = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_NUMBER_STARTS = frozenset("+-.0123456789")
_INTEGER = r"[-+]?[0-9]+"
_OCTAL = r"0o[0-7]+"
_HEXADECIMAL = r"0x[0-9a-fA-F]+"
_FLOAT = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
_NOT_FINITE = r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
_LONGEST_INTEGER = 70
MIN_INTEGER = -(2**63)
MAX_INTEGER = 2**63 - 1


class RefusedNumberError(ValueError):
    """A number that a document can't hold; the message says what is expected instead."""


def resolve_plain(text: str) -> str | int | float | bool | None:
    """Return the value of an unquoted scalar.

    Raises:
        RefusedNumberError: it is infinite, not a number, or over 64 bits.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in _NUMBER_STARTS:
        return text
    # Most values are no numbers, and `re` is a good part of what a start may cost.
    import re

    if re.fullmatch(_INTEGER, text):
        return _integer(text, 10)
    if re.fullmatch(_OCTAL, text):
        return _integer(text[2:], 8)
    if re.fullmatch(_HEXADECIMAL, text):
        return _integer(text[2:], 16)
    if re.fullmatch(_FLOAT, text):
        return finite_float(text)
    if re.fullmatch(_NOT_FINITE, text):
        raise RefusedNumberError("a finite number")
    return text


def _integer(digits: str, base: int) -> int:
    sign = -1 if digits.startswith("-") else 1
    significant = digits.lstrip("+-").lstrip("0") or "0"
    # Python refuses to convert thousands of digits, and takes long for fewer.
    if len(significant) <= _LONGEST_INTEGER:
        value = sign * int(significant, base)
        if MIN_INTEGER <= value <= MAX_INTEGER:
            return value
    raise RefusedNumberError("an integer of at most 64 bits")


def finite_float(text: str) -> float:
    """Return the number that `text` writes.

    Raises:
        RefusedNumberError: it is larger than any float.
    """
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise RefusedNumberError("a number that fits into 64 bits")
    return value
