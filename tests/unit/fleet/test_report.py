"""Device reports are parsed strictly and held against their schema."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from coral_lock.document.schema import schema_text
from coral_lock.fleet.report import RejectedReportError, check_of, parse_report
from tests.support.device_reports import device_report, ndjson, refusal

SCHEMA = json.loads(schema_text("device-report"))
TEXT = ndjson(device_report())

TEXTS: dict[str, tuple[bytes, str, str]] = {
    "empty": (b"", "truncated", "expecting value in column 1"),
    "half of it": (TEXT[:200].encode(), "truncated", "unterminated string in column "),
    "an open object": (b'{"device": 1', "truncated", "expecting ',' delimiter in column 13"),
    "no JSON": (b"device: edge-0001", "not-json", "expecting value in column 1"),
    "a second document": (TEXT.encode() * 2, "not-json", "extra data in column 1"),
    "a character cut in two": ('{"device": "é'.encode()[:-1], "truncated", "it ends within a char"),
    "no UTF-8": (b'{"device": "\xff"}', "not-json", "it isn't UTF-8"),
    "UTF-16": (TEXT.encode("utf-16"), "not-json", "it isn't UTF-8"),
    "a byte order mark": (b"\xef\xbb\xbf" + TEXT.encode(), "not-json", "expecting value"),
    "NaN": (b'{"age_s": NaN}', "not-json", "NaN isn't a number in JSON"),
    "minus infinity": (b'{"age_s": -Infinity}', "not-json", "-Infinity isn't a number in JSON"),
    "a large exponent": (b'{"age_s": 1e999}', "not-json", "the number 1e999 is too large"),
    "4,300 digits": (b"[" + b"9" * 4300 + b"]", "not-json", "a number has 4,300 digits"),
    "a key twice": (
        b'{"device": "a", "device": "b"}',
        "not-json",
        "the key `device` appears twice",
    ),
    "a deep nesting": (b"[" * 100_000, "not-json", "it is nested too deeply"),
    "a control character": (
        b'{"device": "\x1b[2J"}',
        "not-json",
        "invalid control character in column 13",
    ),
    "a list": (b"[]", "invalid", "expected an object"),
    "a null": (b"null", "invalid", "expected an object"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_is_no_report(name: str) -> None:
    content, kind, reason = TEXTS[name]
    with pytest.raises(RejectedReportError) as caught:
        parse_report(content)
    assert (caught.value.kind, caught.value.reason[: len(reason)]) == (kind, reason)
    assert len(caught.value.reason) < 200


Change = Callable[[Any], object]

VALUES: dict[str, tuple[Change, str, str]] = {
    "another version": (
        lambda report: report.update(device_report_version="2.0"),
        "version",
        "format version 2.0, and 1 is the one that is known",
    ),
    "no version": (
        lambda report: report.update(device_report_version="1"),
        "invalid",
        r"`device_report_version`: expected text like `^1\.(0|[1-9][0-9]*)$`",
    ),
    "no device": (
        lambda report: report.pop("device"),
        "invalid",
        "`device`: expected it to be there",
    ),
    "a device with an escape sequence": (
        lambda report: report.update(device="edge\x1b[2J"),
        "invalid",
        "`device`: expected text like `^[A-Za-z0-9][A-Za-z0-9._:-]*$`",
    ),
    "a device with a line feed at its end": (
        lambda report: report.update(device="edge-0001\n"),
        "invalid",
        "`device`: expected text like `^[A-Za-z0-9][A-Za-z0-9._:-]*$`",
    ),
    "true as a number": (
        lambda report: report.update(sequence=True),
        "invalid",
        "`sequence`: expected a whole number from 1 to 9007199254740991",
    ),
    "a negative age": (
        lambda report: report.update(age_s=-0.5),
        "invalid",
        "`age_s`: expected a number from 0",
    ),
    "an unknown outcome": (
        lambda report: report["plugins"][0].update(status="fine"),
        "invalid",
        "`plugins[0].status`: expected one of `activated`, `failed`, `refused`, `unsupported`, "
        "`not-run`",
    ),
    "a number as text": (
        lambda report: report["machine"].update(python=3.11),
        "invalid",
        "`machine.python`: expected text of at most 32 characters",
    ),
    "an object as text": (
        lambda report: report.update(lock="coral.lock"),
        "invalid",
        "`lock`: expected an object",
    ),
    "a million findings": (
        lambda report: report.update(findings=[{}] * 1_000_000),
        "invalid",
        "`findings`: expected an array of at most 1,000 items",
    ),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_report_with_a_wrong_value(name: str) -> None:
    change, kind, reason = VALUES[name]
    report = device_report(changes=refusal() | {"plugins": device_report()["plugins"]})
    change(report)
    with pytest.raises(RejectedReportError) as caught:
        parse_report(json.dumps(report).encode())
    assert (caught.value.kind, caught.value.reason) == (kind, reason)
    # To `jsonschema`, as to Python's `$`, a line feed at the end is no difference.
    if kind == "invalid" and "line feed" not in name:
        assert not Draft202012Validator(SCHEMA).is_valid(report)


def test_a_later_minor_version_may_have_more_keys() -> None:
    report = {**device_report(), "device_report_version": "1.17", "location": {"hall": 4}}
    assert parse_report(json.dumps(report).encode()) == report


@pytest.mark.parametrize(
    "part",
    [
        {"type": "string", "format": "date"},
        {"type": ["string", "integer"]},
        {"oneOf": [{"type": "string"}, {"type": "integer"}]},
        {"type": "string", "pattern": "[0-9]"},
    ],
)
def test_a_schema_with_other_keywords_is_refused(part: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"unknown keywords|several types|oneOf|pattern"):
        check_of(part, SCHEMA)
