"""Files that are no locks, and what the user is told."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from coral_lock.errors import LockError
from coral_lock.lockfile.file import MAX_LOCK_BYTES, load_lock, read_lock_stream
from tests.support.locks import sample_lock
from tests.support.refusals import REWRITE, TEXT, Refusal, refusal, told

FILES = [
    ("empty", b"", refusal("the lock is empty", "LOCK")),
    (
        "not UTF-8",
        TEXT.replace("rknn", "rknn\xe9", 1).encode("latin-1"),
        refusal("the lock isn't UTF-8", "LOCK:3:20", found="byte 0xe9", expected="UTF-8"),
    ),
    (
        "UTF-16",
        TEXT.encode("utf-16"),
        refusal("the lock isn't UTF-8", "LOCK:1:1", found="byte 0xff", expected="UTF-8"),
    ),
    (
        "an encoded surrogate",
        TEXT.replace("rknn", "\ud800", 1).encode("utf-8", "surrogatepass"),
        refusal("the lock isn't UTF-8", "LOCK:3:16", found="byte 0xed", expected="UTF-8"),
    ),
    (
        "a byte order mark",
        TEXT.encode("utf-8-sig"),
        refusal("the lock starts with a byte order mark", "LOCK:1:1", expected="UTF-8 without one"),
    ),
    (
        "NUL bytes",
        b"\0" * 100,
        refusal(
            "the lock is damaged: expecting value",
            "LOCK:1:1",
            hint=REWRITE,
        ),
    ),
]


@pytest.mark.parametrize(
    ("content", "expected"), [case[1:] for case in FILES], ids=[case[0] for case in FILES]
)
def test_files_that_are_refused(tmp_path: Path, content: bytes, expected: Refusal) -> None:
    path = tmp_path / "coral.lock"
    path.write_bytes(content)
    with pytest.raises(LockError) as caught:
        load_lock(str(path))
    where = str(expected["where"]).replace("LOCK", str(path))
    assert told(caught.value) == {**expected, "where": where}
    assert path.read_bytes() == content


def test_a_missing_file(tmp_path: Path) -> None:
    path = str(tmp_path / "coral.lock")
    with pytest.raises(LockError) as caught:
        load_lock(path)
    assert told(caught.value) == refusal(
        "there is no lock",
        path,
        hint="deploy the reviewed lock, or pass its path; `coral-runtime lock` writes a new one",
    )


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "coral.lock"
    with path.open("wb") as file:
        file.truncate(MAX_LOCK_BYTES * 64)
    with pytest.raises(LockError) as caught:
        load_lock(str(path))
    assert told(caught.value) == refusal(
        "the lock can't be read: 1073741824 bytes, more than the 16777216 allowed",
        str(path),
        hint=None,
    )


def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(LockError) as caught:
        load_lock(str(tmp_path))
    assert told(caught.value) == refusal(
        "the lock can't be read: not a regular file", str(tmp_path), hint=None
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    path = tmp_path / "coral.lock"
    os.mkfifo(path)
    with pytest.raises(LockError) as caught:
        load_lock(str(path))
    assert told(caught.value) == refusal(
        "the lock can't be read: not a regular file", str(path), hint=None
    )


def test_a_path_that_cannot_be_one(tmp_path: Path) -> None:
    with pytest.raises(LockError) as caught:
        load_lock(str(tmp_path / ("x" * 5000)))
    assert caught.value.message == "the lock can't be read: File name too long"


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "coral.lock"
    path.write_text(TEXT, encoding="utf-8", newline="")
    assert load_lock(str(path)) == sample_lock()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("surplus", [0, 1])
def test_a_pipe_is_read_up_to_the_limit(tmp_path: Path, surplus: int) -> None:
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    content = b"x" * (MAX_LOCK_BYTES + surplus)

    def fill() -> None:
        with suppress(BrokenPipeError), open(pipe, "wb") as file:
            file.write(content)

    writer = threading.Thread(target=fill)
    writer.start()
    try:
        if surplus:
            with pytest.raises(LockError) as caught:
                read_lock_stream(pipe)
            assert (caught.value.message, caught.value.where) == (
                f"the lock is larger than {MAX_LOCK_BYTES} bytes",
                pipe,
            )
        else:
            assert read_lock_stream(pipe) == content
    finally:
        writer.join()
