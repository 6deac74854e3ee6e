"""The lock's strict reader: a valid lock, its text changed, and what the user is told."""

from __future__ import annotations

import json

import pytest

from coral_lock.errors import BAD_INPUT, LockError
from coral_lock.lockfile.text import read_lock
from tests.support.locks import sample_lock
from tests.support.refusals import REWRITE, TEXT, Refusal, changed, refusal, told

DOCUMENT = json.loads(TEXT)

CASES = [
    ("empty", "", refusal("the lock is empty", "coral.lock")),
    ("white space", " \n\n", refusal("the lock is empty", "coral.lock")),
    (
        "truncated",
        TEXT[:700],
        refusal("the lock isn't JSON: it is cut off", "coral.lock:28:22", hint=REWRITE),
    ),
    (
        "truncated after a line",
        TEXT[: TEXT.index('    "patches:camera')],
        refusal("the lock isn't JSON: it is cut off", "coral.lock:25:1", hint=REWRITE),
    ),
    (
        "conflict markers",
        changed(
            '  "platform": "rknn",\n',
            '<<<<<<< HEAD\n  "platform": "rknn",\n=======\n  "platform": "onnx",\n>>>>>>> theirs\n',
        ),
        refusal(
            "the lock holds merge conflict markers",
            "coral.lock:3",
            hint="run `coral-runtime git merge`, which merges it entry by entry",
            found="<<<<<<< HEAD",
        ),
    ),
    (
        "conflict markers in another style",
        changed('  "platform": "rknn",\n', '||||||| base\n  "platform": "rknn",\n'),
        refusal(
            "the lock holds merge conflict markers",
            "coral.lock:3",
            hint="run `coral-runtime git merge`, which merges it entry by entry",
            found="||||||| base",
        ),
    ),
    (
        "duplicate key",
        changed('  "platform": "rknn",\n', '  "platform": "rknn",\n  "platform": "onnx",\n'),
        refusal("the key `platform` appears twice", "coral.lock:4"),
    ),
    (
        "duplicate plugin",
        changed("patches:camera_stabilizer", "backends:rknn"),
        refusal("the key `backends:rknn` appears twice", "coral.lock:25"),
    ),
    (
        "duplicate key in compact JSON",
        '{"a": 1, "a": 2}',
        refusal("the lock isn't in canonical form: expected one JSON value", "coral.lock:1"),
    ),
    (
        "unsorted keys",
        TEXT.replace(
            '"distribution": "coral-inference",\n      "version": "0.0.4"',
            '"version": "0.0.4",\n      "distribution": "coral-inference"',
        ),
        refusal(
            "the lock isn't in canonical form: it was edited by hand or merged wrongly",
            "coral.lock:6",
            expected='"distribution": "coral-inference",',
            found='"version": "0.0.4",',
        ),
    ),
    (
        "unsorted distributions",
        TEXT.replace('    "my-package": {', '    "zzz": {').replace(
            '"distribution": "my-package"', '"distribution": "zzz"'
        ),
        refusal(
            "the lock isn't in canonical form: it was edited by hand or merged wrongly",
            "coral.lock:44",
            expected='"numpy": {',
            found='"zzz": {',
        ),
    ),
    (
        "extra space",
        changed('"platform": "rknn"', '"platform":  "rknn"'),
        refusal("the lock isn't in canonical form: expected one JSON value", "coral.lock:3"),
    ),
    (
        "space at the end",
        changed('"platform": "rknn",', '"platform": "rknn", '),
        refusal("the lock isn't in canonical form: expected one JSON value", "coral.lock:3"),
    ),
    (
        "space before a colon",
        changed('"platform": "rknn"', '"platform" : "rknn"'),
        refusal("the lock isn't in canonical form: expected a key and its value", "coral.lock:3"),
    ),
    (
        "tab",
        changed('  "platform"', '\t"platform"'),
        refusal("the lock isn't in canonical form: expected a value", "coral.lock:3"),
    ),
    (
        "escaped letter",
        changed('"rknn"', '"\\u0072knn"'),
        refusal(
            "the lock isn't in canonical form: it was edited by hand or merged wrongly",
            "coral.lock:3",
            expected='"platform": "rknn",',
            found='"platform": "\\u0072knn",',
        ),
    ),
    (
        "escaped slash",
        changed('"requires core 9.0"', '"requires\\/core"'),
        refusal(
            "the lock isn't in canonical form: it was edited by hand or merged wrongly",
            "coral.lock:40",
            expected='"reason": "requires/core"',
            found='"reason": "requires\\/core"',
        ),
    ),
    (
        "upper-case escape",
        changed('"requires core 9.0"', '"\\u202E"'),
        refusal(
            "the lock isn't in canonical form: it was edited by hand or merged wrongly",
            "coral.lock:40",
            expected='"reason": "\\u202e"',
            found='"reason": "\\u202E"',
        ),
    ),
    (
        "invisible character as it is",
        changed('"requires core 9.0"', '"\u202e"'),
        refusal(
            "the lock isn't in canonical form: it was edited by hand or merged wrongly",
            "coral.lock:40",
            expected='"reason": "\\u202e"',
            found='"reason": "\u202e"',
        ),
    ),
    (
        "missing comma",
        changed('"platform": "rknn",', '"platform": "rknn"'),
        refusal(
            "the lock isn't in canonical form: it was edited by hand or merged wrongly",
            "coral.lock:3",
            expected='"platform": "rknn",',
            found='"platform": "rknn"',
        ),
    ),
    (
        "trailing comma",
        changed('    "python": "3.11"\n', '    "python": "3.11",\n'),
        refusal(
            "the lock isn't in canonical form: it was edited by hand or merged wrongly",
            "coral.lock:13",
            expected='"python": "3.11"',
            found='"python": "3.11",',
        ),
    ),
    (
        "CRLF",
        TEXT.replace("\n", "\r\n"),
        refusal(
            "the lines of the lock end in CRLF: something converted it",
            "coral.lock:1",
            hint="put `coral.lock -text` into .gitattributes, then write the lock again with "
            "`coral-runtime lock`",
            expected="LF",
        ),
    ),
    (
        "no newline at the end",
        TEXT[:-1],
        refusal("the lock isn't in canonical form: its end differs", "coral.lock:68"),
    ),
    (
        "two newlines at the end",
        TEXT + "\n",
        refusal(
            "the lock isn't in canonical form: more follows the end of the document",
            "coral.lock:69",
        ),
    ),
    (
        "something behind the end",
        TEXT + "{}\n",
        refusal("the lock isn't JSON: extra data", "coral.lock:69:1", hint=REWRITE),
    ),
    (
        "compact JSON",
        json.dumps(DOCUMENT),
        refusal("the lock isn't in canonical form: expected one JSON value", "coral.lock:1"),
    ),
    (
        "other indentation",
        json.dumps(DOCUMENT, indent=4) + "\n",
        refusal("the lock isn't in canonical form: expected a key and its value", "coral.lock:2"),
    ),
    (
        "NaN",
        changed('"optional": false', '"optional": NaN'),
        refusal("the lock isn't in canonical form: expected one JSON value", "coral.lock:22"),
    ),
    (
        "1e999",
        changed('"optional": false', '"optional": 1e999'),
        refusal("the lock isn't in canonical form: expected one JSON value", "coral.lock:22"),
    ),
    (
        "5000 digits",
        changed('"optional": false', '"optional": ' + "9" * 5000),
        refusal("the lock isn't in canonical form: expected one JSON value", "coral.lock:22"),
    ),
    (
        "100,000 brackets",
        "[" * 100_000,
        refusal("the lock can't be read: it is nested too deep", "coral.lock"),
    ),
    (
        "100,000 brackets on lines",
        "[\n" * 100_000,
        refusal("the lock can't be read: it is nested too deep", "coral.lock"),
    ),
    (
        "control character",
        changed('"requires core 9.0"', '"a\x01b"'),
        refusal(
            "the lock isn't in canonical form: it was edited by hand or merged wrongly",
            "coral.lock:40",
            expected='"reason": "a\\u0001b"',
            found='"reason": "a\x01b"',
        ),
    ),
    (
        "line feed in a string",
        changed('"requires core 9.0"', '"a\nb"'),
        refusal("the lock isn't JSON: invalid control character", "coral.lock:40:19", hint=REWRITE),
    ),
    (
        "bad escape",
        changed('"requires core 9.0"', '"a\\qb"'),
        refusal("the lock isn't JSON: invalid \\escape", "coral.lock:40:19", hint=REWRITE),
    ),
    (
        "not JSON",
        "lock_version: 1.0\n",
        refusal("the lock isn't JSON: expecting value", "coral.lock:1:1", hint=REWRITE),
    ),
]


@pytest.mark.parametrize(
    ("text", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_is_refused_and_how(text: str, expected: Refusal) -> None:
    with pytest.raises(LockError) as caught:
        read_lock(text)
    assert told(caught.value) == expected
    assert caught.value.exit_code == BAD_INPUT


def test_a_valid_lock_is_read() -> None:
    assert read_lock(TEXT) == sample_lock()


def test_messages_call_the_file_by_its_name() -> None:
    with pytest.raises(LockError) as caught:
        read_lock(changed('"rknn"', "1"), "deploy/coral.lock")
    assert caught.value.where == "deploy/coral.lock:3: platform"


def test_a_later_minor_version_may_hold_unknown_fields() -> None:
    text = changed('"lock_version": "1.0"', '"lock_version": "1.7"').replace(
        '      "optional": false,\n',
        '      "optional": false,\n      "sandbox": {\n        "network": 1\n      },\n',
    )
    lock = read_lock(text)
    assert lock == sample_lock().replace(lock_version="1.7")


def test_a_later_minor_version_is_canonical_too() -> None:
    text = changed('"lock_version": "1.0"', '"lock_version": "1.7"')
    with pytest.raises(LockError) as caught:
        read_lock(text[:-1])
    assert told(caught.value) == refusal(
        "the lock isn't in canonical form: its end differs", "coral.lock:68"
    )
