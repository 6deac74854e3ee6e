"""The `t1` digest: which files it covers, what it is taken of, and what a RECORD proves."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

import pytest

from coral_lock.installed.digest import (
    MAX_THREADS,
    OVERSIZED,
    foreign_bytecode,
    hash_file,
    hash_files,
    is_digested,
    is_stated,
    proved_hashes,
    stated_hash,
    tree_digest,
)

ONE, TWO = (hashlib.sha256(content).hexdigest() for content in (b"one", b"two"))


def encoded(digest: str) -> str:
    """Return a hash as RECORD states it."""
    return base64.urlsafe_b64encode(bytes.fromhex(digest)).decode().rstrip("=")


@pytest.mark.parametrize(
    "path",
    [
        "acme-1.0.dist-info/RECORD",
        "acme-1.0.dist-info/RECORD.jws",
        "acme-1.0.dist-info/RECORD.p7s",
        "acme-1.0.dist-info/INSTALLER",
        "acme-1.0.dist-info/REQUESTED",
        "acme-1.0.dist-info/direct_url.json",
        "acme-1.0.dist-info/provenance_url.json",
        "acme-1.0.dist-info/uv_build.json",
        "acme-1.0.dist-info/uv_cache.json",
        "__pycache__/acme.cpython-311.pyc",
        "acme/__pycache__/one.cpython-311.pyc",
        "acme/__pycache__/one/two.py",
    ],
)
def test_what_installers_and_python_add_is_not_digested(path: str) -> None:
    assert not is_digested(path)


@pytest.mark.parametrize(
    "path",
    [
        "RECORD",
        "INSTALLER",
        "acme/RECORD",
        "acme/INSTALLER",
        "acme/direct_url.json",
        "acme.dist-info.d/RECORD",
        "acme-1.0.dist-info/METADATA",
        "acme-1.0.dist-info/licenses/RECORD",
        "acme-1.0.dist-info/licenses/INSTALLER",
        "acme-1.0.dist-info/INSTALLER.txt",
        "acme/acme-1.0.dist-info/RECORD",
        "acme/RECORD.dist-info/one.py",
        "acme/my__pycache__/one.py",
        "acme/__pycache__.py",
        "__pycache__s/one.py",
    ],
)
def test_every_other_file_is_digested(path: str) -> None:
    assert is_digested(path)


def test_the_digest_is_taken_of_sorted_lines() -> None:
    lines = f"{TWO}  Z.py\n{ONE}  a.py\n{TWO}  a/b.py\n{ONE}  é.py\n"
    expected = base64.b64encode(hashlib.sha256(lines.encode()).digest()).decode()
    files = [("é.py", ONE), ("a/b.py", TWO), ("a.py", ONE), ("Z.py", TWO)]
    assert tree_digest(files) == tree_digest(files[::-1]) == f"t1:{expected}"
    assert tree_digest(files, "d1:") == f"d1:{expected}"


def test_names_that_are_not_utf_8_sort_by_their_bytes() -> None:
    names = (b"\xef\xbf\xbf.py", b"\xff.py", b"\xf0\x9f\x98\x80.py")
    content = b"".join(ONE.encode() + b"  " + name + b"\n" for name in sorted(names))
    expected = base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert tree_digest((os.fsdecode(name), ONE) for name in names) == f"t1:{expected}"


def test_a_file_that_is_larger_than_stated_is_not_read(tmp_path: Path) -> None:
    path = str(tmp_path / "one")
    Path(path).write_bytes(b"one")
    for size, expected in ((None, ONE), (4, ONE), (3, ONE), (2, OVERSIZED), (0, OVERSIZED)):
        assert hash_files({path: size}) == {path: expected}
    endless = str(tmp_path / "endless")
    with open(endless, "wb") as file:
        file.truncate(1 << 42)
    assert hash_files({endless: 3}) == {endless: OVERSIZED}


def test_what_is_no_regular_file_has_no_hash(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "directory").mkdir()
    for name in ("pipe", "directory", "absent"):
        assert hash_files({str(tmp_path / name): None}) == {}
        with pytest.raises(OSError, match=r"not a regular file|No such file"):
            hash_file(str(tmp_path / name))


def test_large_files_have_the_hashes_of_small_ones(tmp_path: Path) -> None:
    contents = {f"f{number}": bytes([number]) * (5 << 20) for number in range(MAX_THREADS)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    os.truncate(tmp_path / "f0", 3)
    assert hash_files({str(tmp_path / name): None for name in contents}) == {
        str(tmp_path / name): hashlib.sha256(bytes(3) if name == "f0" else content).hexdigest()
        for name, content in contents.items()
    }


@pytest.mark.parametrize(
    ("recorded", "digest", "expected"),
    [
        (f"sha256={encoded(ONE)}", ONE, True),
        (f"sha256={encoded(ONE)}=", ONE, True),
        (f"sha256={encoded(ONE)}", TWO, False),
        ("sha256=", ONE, False),
        ("", ONE, True),
        ("md5=abc", ONE, True),
        ("", OVERSIZED, False),
        (f"sha256={encoded(OVERSIZED)}", OVERSIZED, False),
    ],
)
def test_whether_a_row_states_a_hash(recorded: str, digest: str, expected: bool) -> None:
    assert is_stated(recorded, digest) is expected


@pytest.mark.parametrize(
    ("recorded", "digest"),
    [
        (f"sha256={encoded(ONE)}", ONE),
        (f"sha256={encoded(TWO)}=", TWO),
        (f"sha256={encoded('fb' * 32)}", "fb" * 32),
        (f"sha256={encoded('fffe' * 16)}", "fffe" * 16),
        (f"sha256={encoded(ONE)}!", ""),
        ("sha256=YWJj", ""),
        ("sha256=é", ""),
        ("sha512=YWJj", None),
        ("", None),
    ],
)
def test_the_hash_that_a_row_states(recorded: str, digest: str | None) -> None:
    assert stated_hash(recorded) == digest


HASHES = {"a.py": ONE, "b/c.py": TWO}
ROWS = {path: f"sha256={encoded(digest)},3" for path, digest in HASHES.items()}
DIGEST = tree_digest(HASHES.items())


def test_a_record_with_the_digest_of_the_lock_proves_its_rows() -> None:
    assert proved_hashes(ROWS, ["t1:other", DIGEST]) == HASHES
    assert proved_hashes(dict(reversed(ROWS.items())), {DIGEST}) == HASHES
    assert proved_hashes({}, [tree_digest({})]) == {}


@pytest.mark.parametrize(
    "rows",
    [
        {**ROWS, "a.py": f"sha256={encoded(TWO)},3"},
        {**ROWS, "a.py": ",3"},
        {**ROWS, "a.py": ""},
        {**ROWS, "a.py": f"sha256={encoded(ONE)[:-1]},3"},
        {**ROWS, "a.py": f"sha256={encoded(ONE)[:-1]}é,3"},
        {**ROWS, "d.py": f"sha256={encoded(ONE)},3"},
        {"a.py": ROWS["a.py"]},
        {"a.py": ROWS["b/c.py"], "b/c.py": ROWS["a.py"]},
        {"x.py": ROWS["a.py"], "b/c.py": ROWS["b/c.py"]},
    ],
)
def test_any_other_record_proves_nothing(rows: dict[str, str]) -> None:
    assert proved_hashes(rows, [DIGEST]) is None


@pytest.mark.parametrize(
    ("path", "is_foreign"),
    [
        ("acme/__pycache__/plugin.cpython-311.pyc", False),
        ("acme/__pycache__/plugin.cpython-311.opt-2.pyc", False),
        ("acme/__pycache__/plugin.cpython-311.txt", True),
        ("acme/__pycache__/plugin.pyc", True),
        ("acme/__pycache__/plugin..pyc", True),
        ("acme/__pycache__/.cpython-311.pyc", True),
        ("acme/__pycache__/other.cpython-311.pyc", True),
        ("acme/__pycache__/inner/plugin.cpython-311.pyc", True),
        ("acme/plugin.cpython-311.pyc", False),
    ],
)
def test_only_bytecode_of_listed_sources_belongs_into_a_cache(path: str, is_foreign: bool) -> None:
    paths = {"acme/plugin.py", path}
    assert foreign_bytecode(paths) == ([path] if is_foreign else [])
