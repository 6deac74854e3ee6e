"""Canonical JSON: its text, its reader, its dotted paths."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_lock.canonical_json import (
    DuplicateKeyError,
    NotCanonicalError,
    join_path,
    lines_of,
    parse,
    quote,
    write,
)

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(0, 10**15 - 1), st.text(max_size=8)),
    lambda children: st.one_of(
        st.lists(children, max_size=4), st.dictionaries(st.text(max_size=6), children, max_size=4)
    ),
    max_leaves=12,
)


def test_one_value_a_line() -> None:
    document: Any = {
        "text": "a",
        "number": 1,
        "constants": [True, False, None],
        "empty": [{}, []],
        "nested": {"a": {"b": ["c"]}},
    }
    text = write(document)
    assert text == json.dumps(document, indent=2) + "\n"
    assert parse(text) == document


def test_what_has_no_canonical_form() -> None:
    for value in (float("nan"), float("inf"), b"bytes"):
        unwritable: Any = {"a": value}
        with pytest.raises(TypeError, match=f"{type(value).__name__} has no canonical form"):
            write(unwritable)


@given(VALUES)
def test_reading_what_was_written(value: Any) -> None:
    assert parse(write(value)) == value
    assert json.loads(write(value)) == value


@given(st.text(st.characters(), max_size=10))
def test_quoting_is_json_and_shows_nothing_invisible(text: str) -> None:
    quoted = quote(text)
    assert json.loads(quoted) == json.loads(json.dumps(text))
    assert not set(quoted) & set("\n\r\t\x00\x7f\u202e\u2066\u200b\ufeff\u2028\ud800\U000e0041")


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("plain", '"plain"'),
        ('"\\', '"\\"\\\\"'),
        ("\n\r\t\x00\x7f", '"\\n\\r\\t\\u0000\\u007f"'),
        ("é 日本 😀", '"é 日本 😀"'),
        ("a\u202eb\u2066c\u200b\ufeff", '"a\\u202eb\\u2066c\\u200b\\ufeff"'),
        ("\U000e0041", '"\\udb40\\udc41"'),
        ("\ud800", '"\\ud800"'),
    ],
)
def test_quoting(text: str, quoted: str) -> None:
    assert quote(text) == quoted
    assert parse(quoted) == text


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ("", "expecting value", 1, 1),
        ("nope\n", "expecting value", 1, 1),
        ("²", "expecting value", 1, 1),
        ('"\\x"', "invalid \\escape", 1, 2),
        ('"a\\", "b"', "extra data", 1, 8),
        ('"a', "unterminated string", 1, 1),
        ("1\n\n 2\n", "extra data", 3, 2),
        ('{\n  "a": 1\n', "expecting ',' delimiter", 3, 1),
        ('{\n  "a" 1\n}\n', "expecting ':' delimiter", 2, 7),
        ("[\n  1,", "expecting value", 2, 5),
        ("[" * 100_000, "nested deeper than 40 levels", 1, 1),
        ("[" * 42 + "]" * 42, "nested deeper than 40 levels", 1, 1),
        ('{"a":' * 41 + "1" + "}" * 41, "nested deeper than 40 levels", 1, 1),
    ],
)
def test_what_is_no_json(text: str, message: str, line: int, column: int) -> None:
    with pytest.raises(NotCanonicalError) as caught:
        parse(text)
    found = caught.value
    assert (str(found), found.line, found.column) == (message, line, column)


def test_it_is_said_where_nobody_has_imported_the_json_module() -> None:
    program = (
        "import sys\n"
        "from coral_lock.canonical_json import parse\n"
        "assert parse('[1]') == [1] and 'json' not in sys.modules\n"
        "try: parse('[1')\n"
        "except ValueError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("expecting ',' delimiter\n", "")


def test_forty_levels_are_read() -> None:
    text = "[" * 40 + "1" + "]" * 40
    assert json.dumps(parse(text)) == text


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "1" * 33, "1" * 5000])
def test_a_number_without_canonical_form_is_read_as_none(number: str) -> None:
    assert parse(f"[{number}, 1.5, -3]") == [None, 1.5, -3]


def test_a_key_twice() -> None:
    with pytest.raises(DuplicateKeyError) as caught:
        parse('{\n  "a": 1,\n  "b": 2,\n  "a": 3\n}\n')
    assert (str(caught.value), caught.value.line) == ("the key `a` appears twice", 4)
    with pytest.raises(DuplicateKeyError, match="the key `b` appears twice"):
        parse('[{"a": 1, "b": {"a": 1}, "b": 2}]')


@pytest.mark.parametrize(
    ("parent", "step", "path"),
    [
        ("", "platform", "platform"),
        ("host", "core", "host.core"),
        ("plugins", "patches:x", 'plugins["patches:x"]'),
        ("plugins", 'a"b\n', 'plugins["a\\"b\\n"]'),
        ("after", 0, "after[0]"),
        ("", "a b", '["a b"]'),
    ],
)
def test_dotted_paths(parent: str, step: str | int, path: str) -> None:
    assert join_path(parent, step) == path


def test_lines_of_dotted_paths() -> None:
    text = write({"a": {"x:y": {"list": ["p", "q"]}}, "b": {"list": [{}, [1, 2]]}, "c": "d"})
    lines = text.split("\n")
    for path, content in (
        ("a", '"a": {'),
        ('a["x:y"]', '"x:y": {'),
        ('a["x:y"].list', '"list": ['),
        ('a["x:y"].list[1]', '"q"'),
        ("b.list[0]", "{},"),
        ("b.list[1]", "["),
        ("b.list[1][1]", "2"),
        ("c", '"c": "d"'),
    ):
        line = lines_of(text).get(path)
        assert line is not None
        assert lines[line - 1].strip() == content
    assert "nowhere" not in lines_of(text)
