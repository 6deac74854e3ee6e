"""Index pages beside wheels: what they mark as yanked, and those that can't be used."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_lock.errors import InputError
from coral_lock.wheels.listing import (
    MAX_PAGE_BYTES,
    read_yanked,
    yanked_in_html,
    yanked_in_json,
)

WHEEL = "acme-1.0-py3-none-any.whl"
HINT = "generate it again, or remove it: without a page no wheel counts as yanked"

HTML = [
    ("no anchor", "<html><body>nothing</body></html>", set()),
    ("not yanked", f'<a href="{WHEEL}">{WHEEL}</a>', set()),
    ("yanked without a reason", f'<a href="{WHEEL}" data-yanked>{WHEEL}</a>', {WHEEL}),
    ("yanked for a reason", f'<a data-yanked="it > breaks" href="{WHEEL}">x</a>', {WHEEL}),
    ("an empty reason", f'<a data-yanked="" href="{WHEEL}">x</a>', {WHEEL}),
    ("capitals, and lines", f"<A\n HREF='../{WHEEL}'\n Data-Yanked\n>x</A>", {WHEEL}),
    ("no quotes", f"<a href=../../{WHEEL} data-yanked>x</a>", {WHEEL}),
    ("a slash at the end", f'<a href="{WHEEL}" data-yanked/>', {WHEEL}),
    ("a hash", f'<a href="https://a.example/x/{WHEEL}#sha256=ab/cd" data-yanked>x</a>', {WHEEL}),
    ("a query", f'<a href="{WHEEL}?a=b/c" data-yanked>x</a>', {WHEEL}),
    ("percent signs", '<a href="a%2B1-1.0%2Bb.whl" data-yanked>x</a>', {"a+1-1.0+b.whl"}),
    ("entities", '<a href="a&#45;1.0&amp;.whl" data-yanked>x</a>', {"a-1.0&.whl"}),
    ("a slash in the name", '<a href="a%2Fb.whl" data-yanked>x</a>', {"a/b.whl"}),
    ("another tag", f'<abbr href="{WHEEL}" data-yanked>x</abbr>', set()),
    ("in a comment", f'<!-- <a href="{WHEEL}" data-yanked> -->', set()),
    ("after a short comment", f'<!--><a href="{WHEEL}" data-yanked>', {WHEEL}),
    ("the first of two links", f'<a href="{WHEEL}" href="b.whl" data-yanked>', {WHEEL}),
]

BROKEN_HTML = [
    ("a tag cut off", '\n<a href="a.whl" data-yanked', "line 2: a tag `<a>` isn't closed"),
    ("a quote cut off", '<p>\n\n<a href="a.whl data-yanked>', "line 3: a tag `<a>` isn't closed"),
    ("a comment cut off", "\n<!-- <a>", "line 2: a comment isn't closed"),
    ("no link", "<a data-yanked>", "line 1: a yanked file has no link"),
    ("a directory", '<a href="a/" data-yanked>', "line 1: a yanked file has no link"),
]

FILE = {"filename": WHEEL, "url": "x", "hashes": {}}
JSON = [
    ("no file", {"files": []}, set()),
    ("nothing said", {"files": [FILE]}, set()),
    ("not yanked", {"files": [{**FILE, "yanked": False}]}, set()),
    ("yanked", {"files": [{**FILE, "yanked": True}]}, {WHEEL}),
    ("yanked for a reason", {"meta": {}, "files": [{**FILE, "yanked": "bad"}]}, {WHEEL}),
    ("an empty reason", {"files": [{**FILE, "yanked": ""}]}, {WHEEL}),
]

NO_PAGE = "it isn't a project page with `files` and their `filename`"
NO_TEXT = "`filename` must be text, and `yanked` true, false or a reason"
BROKEN_JSON = [
    ("cut off", '{\n"files": [', "Expecting value: line 2 column 11 (char 12)"),
    ("deep", "[" * 200_000, "it is nested too deeply"),
    ("a long number", "1" * 5000, None),
    ("a list", "[]", NO_PAGE),
    ("no files", "{}", NO_PAGE),
    ("files as an object", '{"files": {"a": 1}}', NO_PAGE),
    ("text for a file", '{"files": ["a"]}', NO_PAGE),
    ("no name", '{"files": [{"yanked": true}]}', NO_PAGE),
    ("a number for a name", '{"files": [{"filename": "a"}, {"filename": 1}]}', NO_TEXT),
    ("a number for a mark", '{"files": [{"filename": "a", "yanked": 1}]}', NO_TEXT),
]


def told(error: InputError) -> tuple[str, str | None, str | None]:
    return error.message, error.where, error.hint


@pytest.mark.parametrize(("text", "yanked"), [case[1:] for case in HTML], ids=[c[0] for c in HTML])
def test_what_an_html_page_marks_as_yanked(text: str, yanked: set[str]) -> None:
    assert yanked_in_html(text) == yanked


@pytest.mark.parametrize(("page", "yanked"), [case[1:] for case in JSON], ids=[c[0] for c in JSON])
def test_what_a_json_page_marks_as_yanked(page: object, yanked: set[str]) -> None:
    assert yanked_in_json(json.dumps(page)) == yanked


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        *(("index.html", *case[1:]) for case in BROKEN_HTML),
        *(("index.json", *case[1:]) for case in BROKEN_JSON),
    ],
    ids=[case[0] for case in (*BROKEN_HTML, *BROKEN_JSON)],
)
def test_a_broken_page(tmp_path: Path, name: str, text: str, reason: str | None) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        read_yanked(str(tmp_path))
    message, where, hint = told(caught.value)
    assert message.startswith(f"the index page can't be used: {reason or ''}")
    assert (where, hint) == (str(tmp_path / name), HINT)


@given(st.text(alphabet="<a! ->/='\"\nhrefdata-yanked&#%", max_size=300))
def test_no_text_does_anything_but_answer_or_refuse(text: str) -> None:
    for read in (yanked_in_html, yanked_in_json):
        with contextlib.suppress(ValueError):
            assert read(text) is not None


@pytest.mark.parametrize("piece", ["<a ", "<a x", "<!--", "<a '", "<a =", "<a x = ", "<", "&#"])
@pytest.mark.parametrize("start", ["", "<a href='"])
def test_a_page_made_to_keep_a_parser_busy(start: str, piece: str) -> None:
    """Were any part looked at again and again, this would take an hour."""
    with contextlib.suppress(ValueError):
        assert yanked_in_html(start + piece * 200_000) == frozenset()


def test_all_pages_of_a_directory_count(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text('<a href="a.whl" data-yanked>', encoding="utf-8-sig")
    (tmp_path / "index.json").write_text('{"files": [{"filename": "b.whl", "yanked": true}]}')
    (tmp_path / "index.v1_json").write_text('{"files": [{"filename": "c.whl", "yanked": "no"}]}')
    assert read_yanked(str(tmp_path)) == {"a.whl", "b.whl", "c.whl"}


def test_a_directory_without_pages(tmp_path: Path) -> None:
    assert read_yanked(str(tmp_path)) == frozenset()


def test_pages_that_cannot_be_read(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_bytes(b"\xff")
    with pytest.raises(InputError) as caught:
        read_yanked(str(tmp_path))
    assert told(caught.value) == (
        "the index page can't be used: it isn't UTF-8",
        str(page),
        HINT,
    )
    with page.open("wb") as file:
        file.truncate(MAX_PAGE_BYTES + 1)
    with pytest.raises(InputError) as caught:
        read_yanked(str(tmp_path))
    assert told(caught.value) == (
        "the index page can't be used: 8388609 bytes, more than the 8388608 allowed",
        str(page),
        HINT,
    )
    page.unlink()
    page.mkdir()
    with pytest.raises(InputError) as caught:
        read_yanked(str(tmp_path))
    assert told(caught.value) == (
        "the index page can't be used: not a regular file",
        str(page),
        HINT,
    )


def test_an_entity_of_too_many_digits_is_no_trouble(tmp_path: Path) -> None:
    page = f'<a href="x-1.0-py3-none-any.whl" data-yanked="&#{"9" * 5000};">x</a>'
    (tmp_path / "index.html").write_text(page)
    assert read_yanked(str(tmp_path)) == {"x-1.0-py3-none-any.whl"}
