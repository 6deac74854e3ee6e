"""The lock's strict reader: a valid lock, its text changed, and what the user is told."""

from __future__ import annotations

import json

import pytest

from coral_lock.errors import BAD_INPUT, LockError
from coral_lock.lockfile.text import read_lock
from tests.support.locks import sample_lock
from tests.support.refusals import TEXT, Refusal, changed, refusal, told

DOCUMENT = json.loads(TEXT)

CASES = [
    ("empty", "", refusal("the lock is empty", "coral.lock")),
    ("white space", " \n\n", refusal("the lock is empty", "coral.lock")),
    (
        "truncated",
        TEXT[:700],
        refusal("the lock is damaged: it is cut off", "coral.lock:28:22"),
    ),
    (
        "truncated after a line",
        TEXT[: TEXT.index('    "patches:camera')],
        refusal("the lock is damaged: it is cut off", "coral.lock:25:1"),
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
        refusal("the lock is damaged: the key `platform` appears twice", "coral.lock:4:1"),
    ),
    (
        "duplicate plugin",
        changed("patches:camera_stabilizer", "backends:rknn"),
        refusal("the lock is damaged: the key `backends:rknn` appears twice", "coral.lock:25:1"),
    ),
    (
        "duplicate key in compact JSON",
        '{"a": 1, "a": 2}',
        refusal("the lock is damaged: the key `a` appears twice", "coral.lock:1:1"),
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
        refusal(
            "the lock isn't in canonical form: it was edited by hand or merged wrongly",
            "coral.lock:3",
            expected='"platform": "rknn",',
            found='"platform":  "rknn",',
        ),
    ),
    (
        "space at the end",
        changed('"platform": "rknn",', '"platform": "rknn", '),
        refusal(
            "the lock isn't in canonical form: it was edited by hand or merged wrongly",
            "coral.lock:3",
            expected='"platform": "rknn",',
            found='\'  "platform": "rknn", \'',
        ),
    ),
    (
        "space before a colon",
        changed('"platform": "rknn"', '"platform" : "rknn"'),
        refusal(
            "the lock isn't in canonical form: it was edited by hand or merged wrongly",
            "coral.lock:3",
            expected='"platform": "rknn",',
            found='"platform" : "rknn",',
        ),
    ),
    (
        "tab",
        changed('  "platform"', '\t"platform"'),
        refusal(
            "the lock isn't in canonical form: it was edited by hand or merged wrongly",
            "coral.lock:3",
            expected='"platform": "rknn",',
            found='\'\\t"platform": "rknn",\'',
        ),
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
        refusal("the lock is damaged: expecting ',' delimiter", "coral.lock:4:3"),
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
        refusal("the lock isn't in canonical form: its end differs", "coral.lock:69"),
    ),
    (
        "something behind the end",
        TEXT + "{}\n",
        refusal("the lock is damaged: extra data", "coral.lock:69:1"),
    ),
    (
        "compact JSON",
        json.dumps(DOCUMENT),
        refusal(
            "the lock isn't in canonical form: it was edited by hand or merged wrongly",
            "coral.lock:1",
            expected="{",
            found=json.dumps(DOCUMENT),
        ),
    ),
    (
        "other indentation",
        json.dumps(DOCUMENT, indent=4) + "\n",
        refusal(
            "the lock isn't in canonical form: it was edited by hand or merged wrongly",
            "coral.lock:2",
            expected='"lock_version": "1.0",',
            found='\'    "lock_version": "1.0",\'',
        ),
    ),
    (
        "NaN",
        changed('"optional": false', '"optional": NaN'),
        refusal(
            "the lock isn't in canonical form: it was edited by hand or merged wrongly",
            "coral.lock:22",
            expected='"optional": null,',
            found='"optional": NaN,',
        ),
    ),
    (
        "1e999",
        changed('"optional": false', '"optional": 1e999'),
        refusal(
            "the lock isn't in canonical form: it was edited by hand or merged wrongly",
            "coral.lock:22",
            expected='"optional": null,',
            found='"optional": 1e999,',
        ),
    ),
    (
        "5000 digits",
        changed('"optional": false', '"optional": ' + "9" * 5000),
        refusal(
            "the lock isn't in canonical form: it was edited by hand or merged wrongly",
            "coral.lock:22",
            expected='"optional": null,',
            found='"optional": ' + "9" * 5000 + ",",
        ),
    ),
    (
        "100,000 brackets",
        "[" * 100_000,
        refusal("the lock is damaged: nested deeper than 40 levels", "coral.lock:1:1"),
    ),
    (
        "100,000 brackets on lines",
        "[\n" * 100_000,
        refusal("the lock is damaged: nested deeper than 40 levels", "coral.lock:1:1"),
    ),
    (
        "control character",
        changed('"requires core 9.0"', '"a\x01b"'),
        refusal("the lock is damaged: invalid control character", "coral.lock:40:19"),
    ),
    (
        "line feed in a string",
        changed('"requires core 9.0"', '"a\nb"'),
        refusal("the lock is damaged: invalid control character", "coral.lock:40:19"),
    ),
    (
        "bad escape",
        changed('"requires core 9.0"', '"a\\qb"'),
        refusal("the lock is damaged: invalid \\escape", "coral.lock:40:19"),
    ),
    (
        "not JSON",
        "lock_version: 1.0\n",
        refusal("the lock is damaged: expecting value", "coral.lock:1:1"),
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


def test_a_trailing_comma_is_refused_in_the_words_of_this_python() -> None:
    with pytest.raises(LockError, match="the lock is damaged: ") as caught:
        read_lock(changed('    "python": "3.11"\n', '    "python": "3.11",\n'))
    assert str(caught.value.where).startswith(("coral.lock:13:", "coral.lock:14:"))


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
