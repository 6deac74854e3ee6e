"""The reports on a disk: numbered, whole, bounded, and fetched without a loss."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from coral_lock import canonical_json
from coral_lock.errors import InputError
from coral_lock.reporting import spool as spool_module
from coral_lock.reporting.collection import Spool, latest_report
from coral_lock.reporting.spool import LARGEST_SEQUENCE, Reports, name_of
from tests.unit.reporting.test_report import report_of

WRITING = """
import sys
from coral_lock.reporting.spool import Reports

def write():
    with Reports(sys.argv[1]) as reports:
        sequence = reports.next_sequence()
        reports.put(sequence, sys.argv[2].replace('"sequence": 1,', f'"sequence": {sequence},'))
    return sequence

"""
"""What another process does."""


def text_of(sequence: int, **changes: Any) -> str:
    return canonical_json.write(report_of(sequence=sequence, **changes).to_dict())


def write(state: Path, **changes: Any) -> int:
    """Write a new report, and return its number."""
    with Reports(str(state)) as reports:
        sequence = reports.next_sequence()
        reports.put(sequence, text_of(sequence, **changes))
    return sequence


def names(state: Path) -> list[str]:
    return sorted(path.name for path in (state / "reports" / "spool").iterdir())


def drained(state: Path) -> list[Any]:
    with Spool(str(state)) as spool:
        documents = list(spool.reports())
        spool.remove()
        spool.set_damaged_aside()
    return [document["sequence"] for document in documents]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_reports_are_numbered_and_the_latest_is_kept(state: Path) -> None:
    assert [write(state) for _ in range(3)] == [1, 2, 3]
    assert names(state) == [name_of(n) for n in (1, 2, 3)]
    assert latest_report(str(state))["sequence"] == 3
    assert drained(state) == [1, 2, 3]
    assert drained(state) == []
    assert write(state) == 4
    kept = sorted(path.name for path in (state / "reports").iterdir())
    assert kept == ["latest.json", "sequence", "spool"]
    assert {path.stat().st_mode & 0o777 for path in state.rglob("*") if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in state.rglob("*.json")} == {0o600}


def test_the_oldest_of_too_many_are_dropped(state: Path) -> None:
    for _ in range(103):
        write(state)
    assert names(state) == [name_of(n) for n in range(4, 104)]
    with Reports(str(state)) as reports:
        # A program that ran for long reports its end, after its report was dropped.
        reports.put(2, text_of(2))
    assert names(state) == [name_of(n) for n in (2, *range(5, 104))]


@pytest.mark.parametrize("content", [None, b"", b"\0" * 21, b"9" * 21, b"mine", b"-" + b"1" * 20])
def test_the_number_goes_on_where_the_counter_is_damaged(
    state: Path, content: bytes | None
) -> None:
    for _ in range(3):
        write(state)
    counter = state / "reports" / "sequence"
    counter.unlink() if content is None else counter.write_bytes(content)
    assert write(state) == 4
    counter.unlink()
    drained(state)
    assert write(state) == 5
    shutil.rmtree(state / "reports" / "spool")
    (state / "reports" / "latest.json").write_text("{}")
    assert write(state) == 6


def test_there_is_a_last_number(state: Path) -> None:
    write(state)
    (state / "reports" / "sequence").write_text(f"{LARGEST_SEQUENCE:020d}\n")
    with pytest.raises(OSError, match="there are no more numbers"):
        write(state)


def test_starts_at_once_get_numbers_of_their_own(state: Path) -> None:
    program = (
        WRITING + "import time\nnumbers = []\n"
        "for _ in range(50): numbers.append(write()); time.sleep(0.002)\n"
        "print(*numbers)\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(state), text_of(1)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    numbers = [int(word) for each in processes for word in each.communicate()[0].split()]
    assert sorted(numbers) == list(range(1, 101))
    assert names(state) == [name_of(n) for n in range(1, 101)]


def test_a_process_that_keeps_the_lock_costs_a_report_and_no_start(state: Path) -> None:
    write(state)
    descriptor = os.open(state / "reports", os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError):
            write(state)
    finally:
        os.close(descriptor)
    assert write(state) == 2


@pytest.mark.parametrize("place", ["", "reports"])
def test_a_directory_that_others_can_write_to_is_not_used(state: Path, place: str) -> None:
    write(state)
    (state / place).chmod(0o770)
    with pytest.raises(PermissionError, match="others can write to it"):
        write(state)


def test_a_link_is_not_followed(state: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    write(state)
    reports = state / "reports"
    for name in (".new", ".latest", "latest.json", "sequence"):
        path = reports / name
        path.unlink(missing_ok=True)
        path.symlink_to(mine)
        with contextlib.suppress(OSError):
            write(state)
        path.unlink(missing_ok=True)
        assert mine.read_text() == "mine"
    shutil.rmtree(reports)
    reports.symlink_to(tmp_path)
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        write(state)


@pytest.mark.parametrize("name", [".new", ".latest", "latest.json", "sequence"])
@pytest.mark.parametrize("kind", ["pipe", "directory", "link"])
def test_what_is_in_the_way_is_replaced(state: Path, name: str, kind: str) -> None:
    write(state)
    path = state / "reports" / name
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("nowhere")
    else:
        (path / "mine").mkdir(parents=True)
    assert [write(state), write(state)] == [2, 3]
    assert drained(state) == [1, 2, 3]
    assert latest_report(str(state))["sequence"] == 3
    kept = [each for each in (state / "reports").iterdir() if (each / "mine").exists()]
    assert len(kept) == (kind == "directory")


def test_what_cannot_be_removed_from_the_spool_costs_no_report(state: Path) -> None:
    spool = state / "reports" / "spool"
    (spool / name_of(1)).mkdir(parents=True, mode=0o700)
    spool.parent.chmod(0o700)
    for number in range(2, 104):
        assert write(state) == number
    assert names(state) == [name_of(n) for n in (1, *range(5, 104))]


@pytest.mark.parametrize("is_linked", [False, True])
def test_a_full_disk_without_anything_to_drop(
    state: Path, monkeypatch: pytest.MonkeyPatch, is_linked: bool
) -> None:
    write(state)
    spooled = state / "reports" / "spool" / name_of(1)
    if not is_linked:
        spooled.unlink()
        spooled.mkdir()

    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched, Reports(str(state)) as reports:
        patched.setattr(os, "write", refuse)
        with pytest.raises(OSError, match="No space left on device"):
            reports.put(2, text_of(2))
    assert spooled.exists()
    assert latest_report(str(state))["sequence"] == 1


def test_the_wait_for_the_lock_is_one_for_all_reports_of_a_start(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(state)
    pauses: list[float] = []
    clock = iter(range(1000))
    monkeypatch.setattr("time.sleep", pauses.append)
    monkeypatch.setattr("time.monotonic", lambda: next(clock) * 0.1)
    descriptor = os.open(state / "reports", os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        reports = Reports(str(state))
        for waits in (True, False, False):
            pauses.clear()
            with pytest.raises(BlockingIOError):
                reports.__enter__()
            assert bool(pauses) is waits
    finally:
        os.close(descriptor)


def test_a_latest_report_that_is_too_large_tells_no_number(state: Path) -> None:
    write(state)
    reports = state / "reports"
    (reports / "sequence").unlink()
    (reports / "spool" / name_of(1)).unlink()
    with (reports / "latest.json").open("ab") as file:
        file.truncate((8 << 20) + 1)
    assert write(state) == 1


FULL_DISK = """
import json, os
from coral_lock.reporting.collection import Spool, latest_report

def fill():
    with open("filler", "wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096): pass
        except OSError as error:
            return error.strerror

def drained():
    with Spool("state") as spool:
        documents = list(spool.reports())
        spool.remove()
    return [document["sequence"] for document in documents]

os.chdir(os.path.dirname(sys.argv[1]))
sys.argv[1] = os.path.abspath("state")
found = {"written": [write() for _ in range(40)]}
found["names"] = sorted(os.listdir("state/reports/spool"))
found["latest"] = latest_report("state")["sequence"]
fill()
found["with a full disk"] = [write(), drained()[-1]]
found["full"] = fill()
try:
    write()
except OSError as error:
    found["nothing to drop"] = error.strerror
found["afterwards"] = [latest_report("state")["sequence"], os.listdir("state/reports/spool")]
os.unlink("filler")
found["with room again"] = [write(), drained()]
print(json.dumps(found))
"""


def test_a_full_disk_loses_the_oldest(tmp_path: Path) -> None:
    script = f'mount -t tmpfs -o size=64k,mode=0700 none {tmp_path}; exec "$0" "$@"'
    program = (sys.executable, "-c", WRITING + FULL_DISK)
    arguments = (str(tmp_path / "state"), text_of(1, lock_path="x" * 3000))
    if shutil.which("unshare") is None:
        pytest.skip("there is no `unshare`")
    for namespace in (["unshare", "-m"], ["unshare", "-rm"]):
        words = [*namespace, "sh", "-ec", script, *program, *arguments]
        finished = subprocess.run(words, capture_output=True, text=True, check=False)
        if "unshare" not in finished.stderr and "mount:" not in finished.stderr:
            break
    else:
        pytest.skip("this user can't mount a file system")
    assert finished.stderr == ""
    found = json.loads(finished.stdout)
    assert found["written"] == list(range(1, 41))
    left = [int(name[:20]) for name in found["names"]]
    assert 2 < len(left) < 20
    assert left == list(range(41 - len(left), 41))
    del found["written"], found["names"]
    assert found == {
        "latest": 40,
        "with a full disk": [41, 41],
        "full": "No space left on device",
        "nothing to drop": "No space left on device",
        "afterwards": [41, []],
        "with room again": [43, [43]],
    }


def test_a_file_system_without_links(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert [write(state) for _ in range(2)] == [1, 2]
    assert latest_report(str(state))["sequence"] == 2
    assert drained(state) == [1, 2]


def test_what_was_left_in_the_middle_of_writing_does_no_harm(state: Path) -> None:
    write(state)
    reports = state / "reports"
    (reports / ".new").write_text("torn")
    os.link(reports / ".new", reports / ".latest")
    assert write(state) == 2
    assert drained(state) == [1, 2]
    assert latest_report(str(state))["sequence"] == 2


def test_a_report_that_is_written_again_meanwhile_stays(state: Path) -> None:
    write(state, outcome="unfinished")
    write(state)
    with Spool(str(state)) as spool:
        assert [document["outcome"] for document in spool.reports()] == ["unfinished", "started"]
        with Reports(str(state)) as reports:
            reports.put(1, text_of(1, outcome="failed", exit_code=1))
        write(state)
        spool.remove()
    assert names(state) == [name_of(1), name_of(3)]
    assert drained(state) == [1, 3]


def test_two_readers_wait_for_each_other(state: Path) -> None:
    for _ in range(20):
        write(state)
    with ThreadPoolExecutor(4) as pool:
        fetched = list(pool.map(drained, [state] * 4))
    assert sorted(fetched) == [[], [], [], list(range(1, 21))]


def test_a_reader_that_never_ends_is_named(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coral_lock.reporting.collection._PATIENCE_SECONDS", 0.01)
    write(state)
    with Spool(str(state)), pytest.raises(InputError) as caught, Spool(str(state)):
        pass
    assert caught.value.message == ("another `coral-runtime report drain` is reading these reports")


def _damage(path: Path, kind: str, elsewhere: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    if kind == "link":
        elsewhere.write_bytes(content)
        path.symlink_to(elsewhere)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.write_bytes(
            {
                "empty": b"",
                "torn": content[:-20],
                "zeros": b"\0" * 4096,
                "other number": content.replace(b'"sequence": 1', b'"sequence": 9'),
                "other form": json.dumps(json.loads(content)).encode(),
                "other document": b"{}\n",
                "no UTF-8": content.replace(b"gate-7", b"gate-\xff"),
                "a list": b"[]\n",
                "deep": b"[\n" * 5000,
            }[kind]
        )


@pytest.mark.parametrize(
    "kind",
    [
        *("link", "pipe", "directory", "empty", "torn", "zeros", "other number", "other form"),
        *("other document", "no UTF-8", "a list", "deep"),
    ],
)
def test_what_is_damaged_is_set_aside(state: Path, tmp_path: Path, kind: str) -> None:
    write(state)
    write(state)
    _damage(state / "reports" / "spool" / name_of(1), kind, tmp_path / "elsewhere")
    with Spool(str(state)) as spool:
        assert [document["sequence"] for document in spool.reports()] == [2]
        assert list(spool.damaged) == [name_of(1)]
        assert all(spool.damaged.values())
        spool.remove()
        spool.set_damaged_aside()
    assert names(state) == [f"{name_of(1)}.damaged"]
    assert drained(state) == []


def test_the_last_ten_damaged_are_kept_and_others_files_too(state: Path) -> None:
    for number in range(1, 16):
        write(state)
        (state / "reports" / "spool" / name_of(number)).write_text("x")
    first = state / "reports" / "spool" / name_of(1)
    first.unlink()
    first.mkdir()
    mine = state / "reports" / "spool" / "notes.damaged"
    mine.write_text("mine")
    with Spool(str(state)) as spool:
        assert list(spool.reports()) == []
        assert spool.strange == ("notes.damaged",)
        spool.set_damaged_aside()
    kept = [f"{name_of(n)}.damaged" for n in (1, *range(6, 16))]
    assert names(state) == [*kept, "notes.damaged"]
    assert mine.read_text() == "mine"


def test_a_link_in_place_of_the_spool_is_not_read(state: Path, tmp_path: Path) -> None:
    write(state)
    place = state / "reports" / "spool"
    place.rename(tmp_path / "moved")
    place.symlink_to(tmp_path / "moved")
    with pytest.raises(InputError) as caught, Spool(str(state)):
        pass
    assert caught.value.message.startswith("the reports can't be read: ")


def test_a_writer_that_is_killed_leaves_whole_reports(state: Path) -> None:
    write(state)
    program = WRITING + "print('ready', flush=True)\nwhile True: write()\n"
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(state), text_of(1, lock_path="x" * 4000)],
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        process.stdout.readline()
        timer = threading.Timer(0.02, process.send_signal, [signal.SIGKILL])
        timer.start()
        process.wait()
        timer.join()
        process.stdout.close()
        last = write(state)
        with Spool(str(state)) as spool:
            sequences = [document["sequence"] for document in spool.reports()]
            assert spool.damaged == {}
        assert sequences[-1] == last
        assert latest_report(str(state))["sequence"] == last


def test_a_latest_report_that_cannot_be_shown(state: Path) -> None:
    place = state / "reports" / "latest.json"
    with pytest.raises(InputError) as caught:
        latest_report(str(state))
    assert (caught.value.message, caught.value.where) == ("there is no report yet", str(place))
    write(state)
    place.write_text("{")
    with pytest.raises(InputError) as caught:
        latest_report(str(state))
    assert caught.value.message.startswith("the report is damaged: ")
    place.unlink()
    place.mkdir()
    with pytest.raises(InputError) as caught:
        latest_report(str(state))
    assert caught.value.message == "the report can't be read: not a regular file"


def test_the_wait_for_the_lock_is_short() -> None:
    assert spool_module._SECONDS_FOR_LOCK <= 0.5
