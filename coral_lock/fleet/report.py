"""A device report from the text of a stranger: parsed strictly, and held against its schema.

The schema is turned into functions once, since 100,000 reports are read in seconds; `jsonschema`
takes as long for a few hundred.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from coral_lock.document.schema import schema_text
from coral_lock.errors import printable, shortened

MAX_REPORT_BYTES = 8 << 20
"""How large a report may be: one with a thousand findings has a tenth of it."""

_MAJOR = "1"
_VERSION = re.compile(r"(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})")
_MOST_DIGITS = 17
_MAX_SHOWN = 80

Report: TypeAlias = dict[str, Any]
Mistake: TypeAlias = tuple[str, str]
Check: TypeAlias = Callable[[Any], "Mistake | None"]
"""Returns None, or the dotted path of what is wrong and what is expected there."""


class RejectedReportError(Exception):
    """A text isn't a report that can be counted.

    Attributes:
        kind: a key of `gathering.KINDS`.
        reason: what is wrong with it, printable.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


def parse_report(content: bytes) -> Report:
    """Return the report that a text is; it conforms to `schemas/device-report.schema.json`.

    Keys that a later minor version may have are in it, too.

    Raises:
        RejectedReportError: it isn't JSON, or isn't a report of a format version that is known.
    """
    document = strict_json(content)
    if not isinstance(document, dict):
        raise RejectedReportError("invalid", "expected an object")
    version = document.get("device_report_version")
    if isinstance(version, str) and (found := _VERSION.fullmatch(version)) and found[1] != _MAJOR:
        raise RejectedReportError(
            "version", f"format version {version}, and {_MAJOR} is the one that is known"
        )
    mistake = _check_of_schema()(document)
    if mistake is not None:
        path, expected = mistake
        place = f"`{printable(shortened(path.lstrip('.'), _MAX_SHOWN))}`: " if path else ""
        raise RejectedReportError("invalid", f"{place}expected {expected}")
    return document


def strict_json(content: bytes) -> Any:
    """Return the value of a JSON text (RFC 8259) in UTF-8, each key once and numbers finite.

    Raises:
        RejectedReportError: it isn't that; the kind is `truncated` or `not-json`.
    """
    try:
        return _DECODER.decode(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            raise RejectedReportError("truncated", "it ends within a character") from None
        raise RejectedReportError("not-json", "it isn't UTF-8") from None
    except json.JSONDecodeError as error:
        ends = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated string")
        wrong = error.msg.removesuffix(" at").removesuffix(" starting")
        place = f"{wrong[:1].lower()}{wrong[1:]} in column {error.colno}"
        raise RejectedReportError("truncated" if ends else "not-json", place) from None
    except RecursionError:
        raise RejectedReportError("not-json", "it is nested too deeply") from None
    except ValueError as error:
        raise RejectedReportError("not-json", str(error)) from None


def _object(pairs: list[tuple[str, Any]]) -> Report:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"the key `{printable(shortened(twice, _MAX_SHOWN))}` appears twice")
    return found


def _whole_number(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a number has {len(text):,} digits")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {printable(shortened(text, _MAX_SHOWN))} is too large")
    return value


def _constant(text: str) -> None:
    raise ValueError(f"{text} isn't a number in JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_whole_number,
    parse_float=_number,
    parse_constant=_constant,
)


@functools.cache
def _check_of_schema() -> Check:
    schema = json.loads(schema_text("device-report"))
    return check_of(schema, schema)


_ANNOTATIONS = frozenset({"$schema", "$id", "$comment", "$defs", "title", "description"})
_KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "text"),
    "integer": ((int,), "a whole number"),
    "number": ((int, float), "a number"),
    "object": ((dict,), "an object"),
    "array": ((list,), "an array"),
}


def check_of(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Check:
    """Return the function that checks values by a part of a JSON Schema (draft 2020-12).

    Args:
        schema: the part; `oneOf` offers null and one other, a pattern is for the whole text.
        root: the whole schema.

    Raises:
        ValueError: it has a keyword that isn't known here.
    """
    keywords = {key: value for key, value in schema.items() if key not in _ANNOTATIONS}
    if "$ref" in keywords:
        return check_of(root["$defs"][keywords.pop("$ref").rpartition("/")[2]], root)
    if "oneOf" in keywords:
        null, other = keywords.pop("oneOf")
        if null != {"type": "null"} or keywords:
            raise ValueError(f"`oneOf` of other than null and one other: {schema}")
        return _or_null(check_of(other, root))
    if "enum" in keywords:
        return _one_of(keywords.pop("enum"))
    kind = keywords.pop("type")
    if isinstance(kind, list):
        name, null = kind
        if null != "null":
            raise ValueError(f"several types: {schema}")
        return _or_null(check_of({**keywords, "type": name}, root))
    make = {"string": _text, "object": _members, "array": _items}.get(kind)
    if make is None:
        check = _bounded(kind, keywords.pop("minimum", None), keywords.pop("maximum", None))
    else:
        check = make(keywords, root)
    if keywords:
        raise ValueError(f"unknown keywords {', '.join(sorted(keywords))}: {schema}")
    return check


def _or_null(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def _one_of(choices: list[str]) -> Check:
    known = frozenset(choices)
    mistake = "", "one of " + ", ".join(f"`{each}`" for each in choices)
    return lambda value: None if isinstance(value, str) and value in known else mistake


def _bounded(kind: str, least: float | None, most: float | None) -> Check:
    types, name = _KINDS[kind]
    low = -math.inf if least is None else least
    high = math.inf if most is None else most
    bounds = (("from", least), ("to", most))
    mistake = "", " ".join([name, *(f"{word} {end}" for word, end in bounds if end is not None)])
    # `True` is a number to Python alone.
    return lambda value: None if type(value) in types and low <= value <= high else mistake


def _text(keywords: dict[str, Any], _: Mapping[str, Any]) -> Check:
    least, most = keywords.pop("minLength", 0), keywords.pop("maxLength", None)
    pattern = keywords.pop("pattern", None)
    if pattern is None:
        mistake = "", "text" if most is None else f"text of at most {most:,} characters"
        longest = math.inf if most is None else most
        return lambda value: (
            None if isinstance(value, str) and least <= len(value) <= longest else mistake
        )
    if not (pattern.startswith("^") and pattern.endswith("$")):
        raise ValueError(f"the pattern is for a part of the text: {pattern}")
    matches = re.compile(pattern).fullmatch
    wrong = "", f"text like `{pattern}`"
    longest = math.inf if most is None else most
    return lambda value: (
        None
        if isinstance(value, str) and least <= len(value) <= longest and matches(value)
        else wrong
    )


def _members(keywords: dict[str, Any], root: Mapping[str, Any]) -> Check:
    required = frozenset(keywords.pop("required", ()))
    checks = [
        (key, check_of(member, root), key in required)
        for key, member in keywords.pop("properties", {}).items()
    ]

    def check(value: Any) -> Mistake | None:
        if not isinstance(value, dict):
            return "", "an object"
        for key, check_member, is_required in checks:
            if key in value:
                mistake = check_member(value[key])
                if mistake is not None:
                    return f".{key}{mistake[0]}", mistake[1]
            elif is_required:
                return f".{key}", "it to be there"
        return None

    return check


def _items(keywords: dict[str, Any], root: Mapping[str, Any]) -> Check:
    most = keywords.pop("maxItems", math.inf)
    check_item = check_of(keywords.pop("items"), root)

    def check(value: Any) -> Mistake | None:
        if not isinstance(value, list) or len(value) > most:
            return "", f"an array of at most {most:,} items"
        for index, item in enumerate(value):
            mistake = check_item(item)
            if mistake is not None:
                return f"[{index}]{mistake[0]}", mistake[1]
        return None

    return check
