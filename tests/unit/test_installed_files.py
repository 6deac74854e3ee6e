"""What a RECORD lists, and what else is in the directories of a distribution."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from coral_lock.errors import BrokenDistributionError
from coral_lock.installed.dist_info import Location
from coral_lock.installed.files import (
    InstalledFiles,
    claimed_paths,
    find_strays,
    list_files,
    read_files,
    size_in,
    unclaimed,
)
from coral_lock.installed.site_scan import scan_path

INFO = "acme-1.0.dist-info"
OWN = f"{INFO}/METADATA,sha256=x,9\n{INFO}/RECORD,,\n"


def located(root: Path, record: str) -> Location:
    (root / INFO).mkdir(parents=True, exist_ok=True)
    (root / INFO / "RECORD").write_text(record, encoding="utf-8")
    return Location(root=str(root), directory=INFO)


@pytest.mark.parametrize(
    ("row", "path", "stated"),
    [
        ("acme/a.py,sha256=x,3", "acme/a.py", "sha256=x,3"),
        ("acme/a.py,sha256=x,3\r", "acme/a.py", "sha256=x,3"),
        ("acme/a.py,,", "acme/a.py", ","),
        ("acme/a.py", "acme/a.py", ""),
        ("./acme//a.py,sha256=x,3", "acme/a.py", "sha256=x,3"),
        ("acme/./b/,sha256=x,3", "acme/b", "sha256=x,3"),
        ('"acme/a,b.py",sha256=x,3', "acme/a,b.py", "sha256=x,3"),
        ('"acme/""a"".py",sha256=x,3', 'acme/"a".py', "sha256=x,3"),
        ("acme/a..b.py,sha256=x,3", "acme/a..b.py", "sha256=x,3"),
    ],
)
def test_a_row_of_the_site_directory(tmp_path: Path, row: str, path: str, stated: str) -> None:
    files = read_files(located(tmp_path, OWN + row + "\n"))
    assert files.recorded == {f"{INFO}/METADATA": "sha256=x,9", path: stated}
    assert files.listed.keys() == {*files.recorded, f"{INFO}/RECORD"}
    assert files.outside == {}


@pytest.mark.parametrize(
    "path", ["../../../bin/acme", "/usr/bin/acme", "\\acme", "acme/../../x", "acme/.."]
)
def test_a_row_that_leaves_it_lists_nothing_in_it(tmp_path: Path, path: str) -> None:
    files = read_files(located(tmp_path, f"{OWN}{path},sha256=x,3\nacme.py,sha256=y,4\n"))
    assert files.outside == {path: "sha256=x,3"}
    assert files.recorded == {f"{INFO}/METADATA": "sha256=x,9", "acme.py": "sha256=y,4"}


def test_bytecode_is_listed_and_not_digested(tmp_path: Path) -> None:
    cached = "acme/__pycache__/a.cpython-311.pyc"
    files = list_files(located(tmp_path, f"{OWN}acme/a.py,,\n{cached},,\n"))
    assert cached in files.listed
    assert set(files.recorded) == {f"{INFO}/METADATA", "acme/a.py"}


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("", "RECORD is absent or doesn't list the distribution's own files"),
        ("acme.py,,\n", "RECORD is absent or doesn't list the distribution's own files"),
        (
            f"{OWN}acme/__pycache__/a.cpython-311.pyc,,\n",
            "RECORD lists `acme/__pycache__/a.cpython-311.pyc`, which is in `__pycache__` and "
            "isn't the bytecode of a listed source",
        ),
        (
            f"{OWN}acme/../acme.py,,\n",
            "RECORD lists a file of the site directory by a roundabout path: `acme/../acme.py`",
        ),
        (f'{OWN}"acme\0.py",,\n', "RECORD can't be read: it contains a NUL character"),
    ],
)
def test_a_record_that_no_installer_writes(tmp_path: Path, record: str, message: str) -> None:
    location = located(tmp_path, record)
    with pytest.raises(BrokenDistributionError) as refused:
        list_files(location)
    assert refused.value.message == message
    assert (refused.value.code, refused.value.where) == (
        "unusable-record",
        str(tmp_path / INFO / "RECORD"),
    )
    assert claimed_paths(["acme"], scan_path([str(tmp_path)])) == {}


@pytest.mark.parametrize(
    ("row", "size"),
    [
        ("sha256=x,3", 3),
        ("sha256=x,0", 0),
        ("sha256=x,", None),
        ("sha256=x", None),
        ("", None),
        (",-1", None),
        (",1e3", None),
        (",٣", None),
        ("," + "9" * 16, None),
    ],
)
def test_the_size_that_a_row_states(row: str, size: int | None) -> None:
    assert size_in(row) == size


def listing(root: Path, *paths: str) -> InstalledFiles:
    rows = dict.fromkeys(paths, ",")
    return InstalledFiles(root=str(root), listed=rows, recorded=rows, outside={})


def test_strays_are_what_is_in_own_directories_and_not_listed(tmp_path: Path) -> None:
    files = listing(
        tmp_path, "top.py", "acme/a.py", "acme/deep/er/b.py", "acme-x/c.py", "ns/d/e.py"
    )
    innocent = ("other.py", "ns/own.py", "acme/__pycache__/a.cpython-311.pyc", f"{INFO}/INSTALLER")
    strays = (
        "acme-x/z.py",
        "acme/__pycache__/a.pyc",
        "acme/__pycache__/x.so",
        "acme/deep/er/z.py",
        "acme/deep/z.py",
        "acme/z.py",
        "ns/d/sub/z.py",
    )
    leftover = "acme/__pycache__/gone.cpython-311.opt-2.pyc"
    for path in (*files.recorded, *innocent, *strays, leftover):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert find_strays(files) == (strays, (leftover,))
    os.symlink(tmp_path, tmp_path / "acme" / "link")
    assert find_strays(files)[0] == tuple(sorted((*strays, "acme/link")))


@pytest.mark.parametrize(
    ("path", "is_claimed"),
    [
        ("ns/other/x.py", True),
        ("ns/other/deep/x.py", True),
        ("ns/x.py", False),
        ("ns/mod/x.py", False),
        ("ns/pack/other/x.py", False),
        ("ns/pack/x.py", False),
        ("ns/pack/data/other/x.py", False),
        ("ns/__pycache__/mod.cpython-311.pyc", False),
        ("ns.libs/other/x.so", False),
    ],
)
def test_what_an_unverified_record_may_claim(tmp_path: Path, path: str, is_claimed: bool) -> None:
    files = listing(
        tmp_path, "ns/mod.py", "ns/pack/__init__.py", "ns/pack/data/x.txt", "ns.libs/x.so"
    )
    assert unclaimed([path], files, {path}) == (() if is_claimed else (path,))
    assert unclaimed([path], files, ()) == (path,)
