"""What is overwritten: files that were written here, and no others."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from coral_lock.errors import InputError, WriteError
from coral_lock.export.formats import is_pylock_text, is_requirements_text
from coral_lock.lockfile.text import begins_as_lock, write_lock
from coral_lock.safe_files import open_descriptor, refuse_to_overwrite, write_durably
from coral_lock.start.report import is_report
from tests.support.locks import sample_lock
from tests.support.reports import earlier_report

REPORT = earlier_report()
LOCK = write_lock(sample_lock())
REQUIREMENTS = (
    "# Made from a coral.lock by `coral-runtime export`: export again, don't edit.\n"
    "# inference 0.58.0 isn't pinned: the lock has only its version.\n"
    f"lens==1.0 \\\n    --hash=sha256:{'0' * 64} \\\n    --hash=sha256:{'1' * 64}\n"
    f"zoom==1.0+cpu ; python_version == '3.11' \\\n    --hash=sha256:{'a' * 64}\n"
)
PYLOCK = 'lock-version = "1.0"\ncreated-by = "coral-lock"\npackages = []\n'


def _outcome(path: Path, text: str) -> str | None:
    """Return why a file isn't overwritten where this text is expected, None if it is."""
    try:
        refuse_to_overwrite(str(path), "mine", lambda found: found == text, "name another")
    except InputError as error:
        return f"{error.message} | {error.where == str(path)} | {error.hint}"
    return None


def test_what_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert _outcome(path, "x") is None
    assert _outcome(tmp_path / "absent" / "file", "x") is None
    for text, expected in (
        ("", None),
        ("x", None),
        ("y", "isn't mine, so it isn't overwritten | True"),
    ):
        path.write_text(text, encoding="utf-8")
        refused = expected and f"`{path}` {expected} | remove it first, or name another"
        assert _outcome(path, "x") == refused
        assert _outcome(path / "below", "x") is None
    path.write_bytes(b"\xff")
    assert _outcome(path, "\udcff") is None
    link = tmp_path / "link"
    link.symlink_to(path)
    assert _outcome(link, "\udcff") is None


def test_what_is_no_regular_file_is_not_overwritten(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe):
        assert _outcome(path, "x") == (
            f"`{path}` can't be overwritten: not a regular file | True | name another"
        )


def _changed(text: str, **changes: object) -> str:
    return json.dumps({**json.loads(text), **changes}, indent=2) + "\n"


def _without(text: str, key: str) -> str:
    document = json.loads(text)
    del document[key]
    return json.dumps(document, indent=2) + "\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (REPORT, True),
        (_changed(REPORT, outcome="unheard-of", later=1), True),
        (_changed(REPORT, report_version=1), False),
        (_without(REPORT, "log_messages"), False),
        (REPORT + "\n", False),
        (REPORT + "and more\n", False),
        (REPORT[:-2], False),
        (json.dumps(json.loads(REPORT)), False),
        ('{\n  "report_version": "1.0"\n}\n', False),
        ('# Notes\n\nA "report_version" is the first field of a report.\n', False),
        ("[]\n", False),
        (LOCK, False),
    ],
)
def test_what_is_a_report(text: str, expected: bool) -> None:
    assert is_report(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\n", True),
        (LOCK.replace("\n", "\r\n"), True),
        ("\ufeff" + LOCK, True),
        (json.dumps(json.loads(LOCK)), True),
        (_without(LOCK, "plugins"), True),
        (LOCK[: len(LOCK) // 2], True),
        (LOCK.replace('"platform"', "<<<<<<< ours"), True),
        (LOCK.replace("rknn", "\udcff"), True),
        (LOCK, True),
        (_without(LOCK, "lock_version"), False),
        ('{"mine": true, "lock_version": "1.0"}', False),
        ('[{"lock_version": "1.0"}]', False),
        ('# Notes\n\nA lock begins with {"lock_version": "1.0"\n', False),
        ('lock_version = "1.0"\n', False),
        (REPORT, False),
    ],
)
def test_what_begins_as_a_lock(text: str, expected: bool) -> None:
    assert begins_as_lock(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (REQUIREMENTS, True),
        (REQUIREMENTS.partition("\n")[0] + "\n", True),
        (REQUIREMENTS.partition("\n")[2], False),
        (REQUIREMENTS + "\n", False),
        (REQUIREMENTS + "# mine\n", False),
        (REQUIREMENTS + "mine==1.0\n", False),
        (REQUIREMENTS + "-r mine.txt\n", False),
        (REQUIREMENTS.replace("lens==1.0", "--index-url=https://example.org"), False),
        ("click==8.1.8\n", False),
    ],
)
def test_what_is_an_exported_requirements_file(text: str, expected: bool) -> None:
    assert is_requirements_text(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PYLOCK, True),
        (PYLOCK.replace("coral-lock", "pip"), False),
        (PYLOCK.replace("packages = []", ""), False),
        (PYLOCK.replace("created-by", "# created-by"), False),
        (PYLOCK + "[", False),
        ("", False),
    ],
)
def test_what_is_an_exported_pylock(text: str, expected: bool) -> None:
    assert is_pylock_text(text) is expected


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system has no such paths")
def test_a_file_that_is_open_is_not_replaced(tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    with path.open("w") as stream:
        stream.write("first\n")
        stream.flush()
        link.symlink_to(f"/dev/fd/{stream.fileno()}")
        for name in (f"/proc/self/fd/{stream.fileno()}", str(link)):
            assert open_descriptor(name) == stream.fileno()
            with pytest.raises(WriteError, match="a file that is open already"):
                write_durably(name, "other")
        stream.write("second\n")
    assert path.read_text() == "first\nsecond\n"
    assert [each.name for each in sorted(tmp_path.iterdir())] == ["file", "link"]
    assert open_descriptor(str(path)) is None
    assert open_descriptor("/dev/stdout") == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link):
        with pytest.raises(WriteError, match="it isn't a regular file") as refused:
            write_durably(str(path), "text")
        assert refused.value.hint == "name a file, or redirect standard output"
    assert pipe.is_fifo()
