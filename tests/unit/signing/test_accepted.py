"""The record of what was accepted, as a start reads it: hostile, and with little imported."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_lock.signing.accepted import (
    MAX_SERIAL,
    AcceptedLock,
    Channel,
    Floor,
    KeySet,
    NotAcceptedError,
    Rotation,
    accepted_lock,
    accepted_text,
    find_acceptance,
    parse_accepted,
)

SHA256, KEY, OTHER = "1" * 64, "a" * 64, "b" * 64
RESTORE = (
    "restore it from a backup; without it, only the keyring's configuration knows the lowest "
    "serial that may be accepted"
)
RECORD = {
    "default": Channel(
        accepted=AcceptedLock(sha256=SHA256, serial=5, signers=(KEY,)),
        floors={KEY: Floor(serial=5, sha256=SHA256)},
        rotation=Rotation(
            keys=KeySet(keys=(KEY, OTHER), threshold=2),
            replaces=KeySet(keys=(KEY,), threshold=1),
            under=KeySet(keys=(KEY,), threshold=1),
        ),
    )
}
TEXT = accepted_text(RECORD)


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    directory = tmp_path / "trust"
    directory.mkdir(mode=0o755)
    (directory / "accepted.json").write_text(TEXT)
    return directory


def told(trust: Path) -> tuple[str, str | None, str | None, str | None]:
    """Return what an acceptance is refused with, its paths relative to the directory above."""
    with pytest.raises(NotAcceptedError) as caught:
        accepted_lock(SHA256, str(trust))
    error = caught.value
    where = os.path.relpath(error.where or "", trust.parent)
    hint = error.hint and error.hint.replace(f"{trust.parent}/", "")
    return error.message, error.found, where, hint


def test_the_lock_before_counts_while_it_is_kept(trust: Path) -> None:
    kept = AcceptedLock(sha256=OTHER, serial=4, signers=(KEY,))
    channel = RECORD["default"].replace(previous=kept)
    (trust / "accepted.json").write_text(accepted_text({"default": channel}))
    found = [accepted_lock(each, str(trust)) for each in (SHA256, OTHER, "c" * 64)]
    assert [each and each.serial for each in found] == [5, 4, None]


def _link(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to("elsewhere")


def _pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


FILE = "trust/accepted.json"
FIRST = "run `coral-runtime accept` first"
PLACES: dict[str, tuple[Callable[[Path], object], tuple[str, str | None, str, str | None]]] = {
    "missing": (Path.unlink, ("there is no record of it", None, FILE, FIRST)),
    "a link": (_link, ("the record can't be read: it is a symbolic link", None, FILE, None)),
    "a pipe": (_pipe, ("the record isn't a regular file", None, FILE, None)),
    "a directory": (_directory, ("the record isn't a regular file", None, FILE, None)),
    "for the group": (
        lambda file: file.chmod(0o664),
        (
            "others than its owner can write to the file of the record",
            "mode 0664",
            FILE,
            "find out who could, and run `chmod go-w trust/accepted.json`",
        ),
    ),
    "in a directory for others": (
        lambda file: file.parent.chmod(0o757),
        (
            "others than its owner can write to the directory of the record",
            "mode 0757",
            "trust",
            "find out who could, and run `chmod go-w trust`",
        ),
    ),
    "too large": (
        lambda file: file.write_text("x" * (1 << 20) + "\n"),
        ("the record is larger than 1048576 bytes", None, FILE, RESTORE),
    ),
    "no text": (
        lambda file: file.write_bytes(b"\xff"),
        ("the record is damaged: it isn't UTF-8", None, FILE, RESTORE),
    ),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_record_that_can_t_be_trusted(trust: Path, name: str) -> None:
    change, expected = PLACES[name]
    change(trust / "accepted.json")
    assert told(trust) == expected


def test_a_trust_directory_that_is_none(trust: Path) -> None:
    (trust / "accepted.json").unlink()
    trust.rmdir()
    assert told(trust) == ("there is no record of it", None, FILE, FIRST)
    trust.write_text("")
    assert told(trust) == ("the record can't be read: Not a directory", None, "trust", None)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize(("path", "what"), [("accepted.json", "file"), ("", "directory")])
def test_a_record_of_somebody_else(trust: Path, path: str, what: str) -> None:
    os.chown(trust / path, 12345, -1)
    assert told(trust) == (
        f"the {what} of the record belongs to somebody else",
        "the user 12345",
        os.path.join("trust", path).rstrip("/"),
        "find out who wrote it, and run `coral-runtime accept` as root",
    )


DAMAGES = {
    "nothing": ("", "", "line 1: expecting value"),
    "cut off": ("  }\n}\n", "", "line 42: expecting ',' delimiter"),
    "another version": ('"1.0"', '"2.0"', "it has the format version '2.0', not '1.0'"),
    "another key": (
        '"accepted_version"',
        '"version"',
        "expected an object with `accepted_version`, `channels`",
    ),
    "a key twice": (
        '"previous": null,',
        '"previous": null,\n      "previous": null,',
        "line 14: the key `previous` appears twice",
    ),
    "a key more": (
        '"previous": null,',
        '"previous": null,\n      "next": null,',
        "expected an object with `accepted`, `previous`, `floors`, `rotation`",
    ),
    "a channel with an escape": ('"default"', '"\\u001b[31m"', "`channels` has a wrong value"),
    "no channels": ('"channels": {', '"channels": [', "line 4: expecting ',' delimiter"),
    "a serial of true": ('"serial": 5', '"serial": true', "`serial` has a wrong value"),
    "a large serial": ('"serial": 5', f'"serial": {2**70}', "`serial` has a wrong value"),
    "a negative serial": ('"serial": 5', '"serial": -5', "`serial` has a wrong value"),
    "a serial with a fraction": ('"serial": 5', '"serial": 5.0', "`serial` has a wrong value"),
    "a short digest": (SHA256, SHA256[1:], "`sha256` has a wrong value"),
    "an upper-case digest": (SHA256, "A" * 64, "`sha256` has a wrong value"),
    "a signer twice": (
        f'"{KEY}"\n',
        f'"{KEY}",\n          "{KEY}"\n',
        "`signers` has a wrong value",
    ),
    "a reason that is none": ('"rollback": null', '"rollback": ""', "`rollback` has a wrong value"),
    "a threshold that can't be met": (
        '"threshold": 2',
        '"threshold": 3',
        "`threshold` has a wrong value",
    ),
    "a threshold of none": ('"threshold": 2', '"threshold": 0', "`threshold` has a wrong value"),
    "other spaces": ('"rollback": null', '"rollback":  null', "it isn't in canonical form"),
    "a comma less": ('"serial": 5,', '"serial": 5', "line 8: expecting ',' delimiter"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_record(trust: Path, name: str) -> None:
    old, new, message = DAMAGES[name]
    text = TEXT.replace(old, new, 1) if old else new
    assert text != TEXT
    (trust / "accepted.json").write_text(text)
    assert told(trust) == (f"the record is damaged: {message}", None, FILE, RESTORE)


def test_a_deep_record(trust: Path) -> None:
    levels = 3000
    text = "".join(f"{'  ' * level}[\n" for level in range(levels))
    (trust / "accepted.json").write_text(text[: 1 << 20])
    assert told(trust)[0] == "the record is damaged: line 1: nested deeper than 40 levels"


def test_the_finding_says_why_nothing_counts(trust: Path) -> None:
    found, (finding,) = find_acceptance(OTHER, "coral.lock", str(trust))
    assert found is None
    assert (finding.code, finding.summary, finding.found, finding.where) == (
        "lock-not-accepted",
        "`coral.lock` isn't the lock that was accepted on this device",
        f"sha256 {OTHER}",
        "coral.lock",
    )
    assert finding.expected is not None
    assert f"sha256 {SHA256}" in finding.expected.split(" or ")
    (trust / "accepted.json").unlink()
    _, (finding,) = find_acceptance(SHA256, "coral.lock", str(trust))
    assert finding.summary == (
        "nothing says that `coral.lock` was accepted: there is no record of it"
    )
    assert find_acceptance(SHA256, "coral.lock", None)[0] is None


def test_a_start_imports_little_for_it(trust: Path) -> None:
    code = (
        "import sys; from coral_lock.signing.accepted import accepted_lock; "
        f"assert accepted_lock({SHA256!r}, {str(trust)!r}); "
        "print(*{'base64', 'cryptography', 'dataclasses', 'json', 're'} & {*sys.modules})"
    )
    assert subprocess.check_output((sys.executable, "-S", "-c", code), cwd=_root()) == b"\n"


def _root() -> Path:
    return Path(__file__).parents[3]


digests = st.text("0123456789abcdef", min_size=64, max_size=64)
serials = st.integers(1, MAX_SERIAL)
key_lists = st.lists(digests, min_size=1, max_size=3, unique=True).map(lambda x: tuple(sorted(x)))


@st.composite
def key_sets(draw: st.DrawFn) -> KeySet:
    keys = draw(key_lists)
    return KeySet(keys=keys, threshold=draw(st.integers(1, len(keys))))


locks = st.builds(
    AcceptedLock,
    sha256=digests,
    serial=serials,
    signers=key_lists,
    rollback=st.none() | st.text('a "\\ü漢', min_size=1, max_size=9).filter(str.strip),
)
channels = st.builds(
    Channel,
    accepted=locks,
    previous=st.none() | locks,
    floors=st.dictionaries(digests, st.builds(Floor, serial=serials, sha256=digests), max_size=3),
    rotation=st.none()
    | st.builds(Rotation, keys=key_sets(), replaces=key_sets(), under=key_sets()),
)
names = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,9}[A-Za-z0-9])?", fullmatch=True)


@given(st.dictionaries(names, channels, max_size=3))
def test_what_is_written_is_read(record: dict[str, Channel]) -> None:
    assert parse_accepted(accepted_text(record)) == record


@given(st.data())
def test_a_changed_byte_never_gives_another_record_in_silence(data: st.DataObject) -> None:
    """It is refused, or it is the text of the record that it gives."""
    at = data.draw(st.integers(0, len(TEXT) - 1))
    text = TEXT[:at] + data.draw(st.characters(max_codepoint=0x7F)) + TEXT[at + 1 :]
    try:
        record = parse_accepted(text)
    except ValueError:
        return
    assert accepted_text(record) == text
