"""The lock's document: a valid lock, one field changed, and what the user is told."""

from __future__ import annotations

import pytest

from coral_lock.errors import BAD_INPUT, LockError
from coral_lock.lockfile.text import read_lock
from tests.support.locks import digest_of
from tests.support.refusals import Refusal, changed, refusal, told

CASES = [
    (
        "unknown field",
        changed('  "platform": "rknn",\n', '  "platform": "rknn",\n  "platfrom": "onnx",\n'),
        refusal("unknown field `platfrom`", "coral.lock:4: platfrom"),
    ),
    (
        "unknown field of a plugin",
        changed(
            '      "optional": false,\n', '      "optional": false,\n      "optoinal": true,\n'
        ),
        refusal("unknown field `optoinal`", 'coral.lock:23: plugins["backends:rknn"].optoinal'),
    ),
    (
        "unknown field of a host",
        changed('      "version": "0.0.4"\n', '      "version": "0.0.4",\n      "name": "x"\n'),
        refusal("unknown field `name`", "coral.lock:8: host.core.name"),
    ),
    (
        "missing field",
        changed('  "platform": "rknn",\n', ""),
        refusal("the field `platform` is missing", "coral.lock"),
    ),
    (
        "missing field of a plugin",
        changed('      "description": "",\n', ""),
        refusal("the field `description` is missing", 'coral.lock:16: plugins["backends:rknn"]'),
    ),
    (
        "true for a string",
        changed('"platform": "rknn"', '"platform": true'),
        refusal("expected a string, found true or false", "coral.lock:3: platform"),
    ),
    (
        "number for a string",
        changed('"python": "3.11"', '"python": 3'),
        refusal("expected a string, found a number", "coral.lock:13: host.python"),
    ),
    (
        "1 for true",
        changed('"optional": false', '"optional": 1'),
        refusal(
            "expected true or false, found a number",
            'coral.lock:22: plugins["backends:rknn"].optional',
        ),
    ),
    (
        "string for true",
        changed('"optional": false', '"optional": "false"'),
        refusal(
            "expected true or false, found a string",
            'coral.lock:22: plugins["backends:rknn"].optional',
        ),
    ),
    (
        "null for a string",
        changed('"description": ""', '"description": null'),
        refusal(
            "expected a string, found null", 'coral.lock:19: plugins["backends:rknn"].description'
        ),
    ),
    (
        "number for string or null",
        changed('"min_core_version": null', '"min_core_version": 4'),
        refusal(
            "expected a string or null, found a number",
            'coral.lock:20: plugins["backends:rknn"].min_core_version',
        ),
    ),
    (
        "string for an array",
        changed('"after": []', '"after": "backends:rknn"'),
        refusal(
            "expected an array of strings, found a string",
            'coral.lock:23: plugins["backends:rknn"].after',
        ),
    ),
    (
        "number in an array",
        changed('        "numpy"\n', "        7\n"),
        refusal(
            "expected a string, found a number",
            'coral.lock:50: distributions["my-package"].requires[0]',
        ),
    ),
    (
        "array for an object",
        changed(
            '"digests": {\n        "py3-none-any": "' + digest_of("A") + '"\n      }',
            '"digests": []',
        ),
        refusal(
            "expected an object, found an array",
            'coral.lock:46: distributions["my-package"].digests',
        ),
    ),
    (
        "number for an object",
        changed(
            '"core": {\n      "distribution": "coral-inference",\n      "version": "0.0.4"\n    }',
            '"core": 4',
        ),
        refusal("expected an object, found a number", "coral.lock:5: host.core"),
    ),
    (
        "newer major",
        changed('"lock_version": "1.0"', '"lock_version": "2.0"'),
        refusal(
            "the lock has the format version `2.0`, which this release can't read",
            "coral.lock: lock_version",
            hint="upgrade coral-lock to a release that reads format version 2.0",
            expected="format version 1.x",
            found="2.0",
        ),
    ),
    (
        "newer major in compact JSON",
        '{"lock_version": "12.4"}',
        refusal(
            "the lock has the format version `12.4`, which this release can't read",
            "coral.lock: lock_version",
            hint="upgrade coral-lock to a release that reads format version 12.4",
            expected="format version 1.x",
            found="12.4",
        ),
    ),
    (
        "older major",
        changed('"lock_version": "1.0"', '"lock_version": "0.9"'),
        refusal(
            "the lock has the format version `0.9`, which this release can't read",
            "coral.lock: lock_version",
            expected="format version 1.x",
            found="0.9",
        ),
    ),
    (
        "garbled version",
        changed('"lock_version": "1.0"', '"lock_version": "one"'),
        refusal("a lock version is written like `1.0`, not `one`", "coral.lock:2: lock_version"),
    ),
    (
        "version without a minor",
        changed('"lock_version": "1.0"', '"lock_version": "1"'),
        refusal("a lock version is written like `1.0`, not `1`", "coral.lock:2: lock_version"),
    ),
    (
        "version with zeros",
        changed('"lock_version": "1.0"', '"lock_version": "1.00"'),
        refusal("a lock version is written like `1.0`, not `1.00`", "coral.lock:2: lock_version"),
    ),
    (
        "number as version",
        changed('"lock_version": "1.0"', '"lock_version": 1'),
        refusal("expected a string, found a number", "coral.lock:2: lock_version"),
    ),
    ("a list", "[]\n", refusal("expected an object, found an array", "coral.lock")),
    ("a string", '"lock"\n', refusal("expected an object, found a string", "coral.lock")),
]


@pytest.mark.parametrize(
    ("text", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_is_refused_and_how(text: str, expected: Refusal) -> None:
    with pytest.raises(LockError) as caught:
        read_lock(text)
    assert told(caught.value) == expected
    assert caught.value.exit_code == BAD_INPUT
