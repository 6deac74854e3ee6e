"""What is told of wheels that put different files in one place."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from coral_lock.finding import ERROR, WARNING, Finding
from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.resolve.overlaps import overlapping
from coral_lock.targets.environment import this_environment
from coral_lock.wheels.inventory import WheelhouseInventory
from coral_lock.wheels.view import WheelhouseView
from coral_lock.wheels.wheelhouse import Wheelhouse
from tests.support.handmade_wheels import make_wheel

HINT = (
    "do without one of the two, or have them mended: which file is there depends on the order in "
    "which they are installed"
)


def inventory_of(directory: Path, files: Mapping[str, Mapping[str, str]]) -> WheelhouseInventory:
    for name, texts in files.items():
        make_wheel(directory, name, texts)
    view = WheelhouseView(Wheelhouse([str(directory)]), this_environment())
    return view.chosen(dict.fromkeys(files, "1.0"))


def finding(summary: str, *, severity: str = ERROR, found: str, where: str) -> Finding:
    return Finding(
        code="file-overlap",
        severity=severity,
        subject="a",
        summary=summary,
        expected="each file in one distribution",
        found=found,
        where=where,
        hint=HINT if severity == ERROR else f"{HINT}, so that neither is locked with a digest",
    )


@pytest.mark.parametrize(
    ("needed", "severity"), [((), WARNING), (("c",), WARNING), (("b",), ERROR), (("a", "c"), ERROR)]
)
def test_only_what_plugins_need_is_an_error(
    tmp_path: Path, needed: tuple[str, ...], severity: str
) -> None:
    files = {"a": {"x.py": "1"}, "b": {"x.py": "2"}, "c": {"c.py": ""}}
    findings, unpinned = overlapping("abc", needed, inventory_of(tmp_path, files))
    assert findings == (
        finding(
            "`a` and `b` put different files in one place: `x.py`",
            severity=severity,
            found="1 in both",
            where="x.py",
        ),
    )
    assert unpinned == (frozenset() if severity == ERROR else {"a", "b"})


@pytest.mark.parametrize(
    ("number", "more", "found"),
    [
        (5, "", "5 in both"),
        (6, " and 1 more", "6 in both"),
        (99, " and 94 more", "99 in both"),
        (100, " and at least 95 more", "at least 100 in both"),
        (150, " and at least 95 more", "at least 100 in both"),
    ],
)
def test_what_is_told_is_bounded(tmp_path: Path, number: int, more: str, found: str) -> None:
    files = {name: {f"x/{index:03}.py": name for index in range(number)} for name in "ab"}
    inventory = inventory_of(tmp_path, files)
    assert overlapping("ab", "a", inventory)[0] == (
        finding(
            "`a` and `b` put different files in one place: `x/000.py`, `x/001.py`, `x/002.py`, "
            f"`x/003.py`, `x/004.py`{more}",
            found=found,
            where="x/000.py",
        ),
    )


@pytest.mark.parametrize(
    ("one", "other"), [("x/y.py", "X/y.py"), ("x", "x/y.py")], ids=["case", "directory"]
)
def test_both_spellings_are_told(tmp_path: Path, one: str, other: str) -> None:
    inventory = inventory_of(tmp_path, {"a": {one: "1"}, "b": {other: "2"}})
    assert overlapping("ab", "b", inventory)[0] == (
        finding(
            f"`a` and `b` put different files in one place: `{one}` and `{other}`",
            found="1 in both",
            where=one,
        ),
    )


def test_several_pairs_are_sorted(tmp_path: Path) -> None:
    inventory = inventory_of(tmp_path, {name: {"x.py": name} for name in "cab"})
    found, unpinned = overlapping("abc", "a", inventory)
    assert [each.summary[:13] for each in found] == [
        "`a` and `b` p",
        "`a` and `c` p",
        "`b` and `c` p",
    ]
    assert [each.severity for each in found] == [ERROR, ERROR, WARNING]
    assert unpinned == {"b", "c"}


def test_an_environment_is_told_by_its_records(tmp_path: Path) -> None:
    """What was overwritten isn't there any more, and RECORD still states it."""
    site = tmp_path / "site"
    site.mkdir()
    for name in "ab":
        with zipfile.ZipFile(make_wheel(tmp_path, name, {"x.py": name})) as wheel:
            wheel.extractall(site)
    findings, unpinned = overlapping("ab", "", EnvironmentInventory([str(site)]))
    assert [each.summary for each in findings] == [
        "`a` and `b` put different files in one place: `x.py`"
    ]
    assert unpinned == {"a", "b"}
