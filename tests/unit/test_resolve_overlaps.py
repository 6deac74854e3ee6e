"""What is told of wheels that put different files in one place."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from coral_lock.errors import BrokenDistributionError
from coral_lock.finding import ERROR, WARNING, Finding
from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.inventory import Inventory, Reporter
from coral_lock.locking.placement import overlapping
from coral_lock.targets.environment import this_environment
from coral_lock.wheels.wheelhouse import Wheelhouse, WheelhouseInventory, WheelhouseView
from tests.support.handmade_wheels import make_wheel

HINT = "install only one of the two, or report it upstream: "
EITHER = "the last one installed wins, and a start accepts what either of them lists"
ORDER = "which file is there depends on the order in which they are installed"


def inventory_of(directory: Path, files: Mapping[str, Mapping[str, str]]) -> WheelhouseInventory:
    for name, texts in files.items():
        make_wheel(directory, name, texts)
    view = WheelhouseView(Wheelhouse([str(directory)]), this_environment())
    return view.chosen(dict.fromkeys(files, "1.0"))


def stated(names: str, inventory: Inventory) -> Mapping[str, Mapping[str, str]]:
    return {name: inventory.stated(name).files for name in names}


def finding(
    summary: str, *, severity: str = WARNING, why: str = EITHER, found: str, where: str
) -> Finding:
    return Finding(
        code="file-overlap",
        severity=severity,
        subject="a",
        summary=summary,
        expected="each file in one distribution",
        found=found,
        where=where,
        hint=HINT + why,
    )


@pytest.mark.parametrize("needed", [(), ("b",), ("a", "c")])
def test_two_files_in_one_place_are_a_warning_and_both_pinned(
    tmp_path: Path, needed: tuple[str, ...]
) -> None:
    files = {"a": {"x.py": "1"}, "b": {"x.py": "2"}, "c": {"c.py": ""}}
    findings, unpinned = overlapping(stated("abc", inventory_of(tmp_path, files)), needed)
    assert findings == (
        finding(
            "`a` and `b` put different files in one place: `x.py`", found="1 in both", where="x.py"
        ),
    )
    assert unpinned == frozenset()


UNSETTLED = {
    "case": ("x/y.py", "X/y.py"),
    "directory": ("x", "x/y.py"),
}


@pytest.mark.parametrize("name", UNSETTLED)
@pytest.mark.parametrize(
    ("needed", "severity"), [((), WARNING), (("c",), WARNING), (("b",), ERROR), (("a", "c"), ERROR)]
)
def test_what_no_list_settles_is_an_error_for_plugins(
    tmp_path: Path, needed: tuple[str, ...], severity: str, name: str
) -> None:
    one, other = UNSETTLED[name]
    files = {"a": {one: "1"}, "b": {other: "2"}, "c": {"c.py": ""}}
    findings, unpinned = overlapping(stated("abc", inventory_of(tmp_path, files)), needed)
    assert findings == (
        finding(
            "`a` and `b` put different files in one place: "
            + (f"`{one}`" if one == other else f"`{one}` and `{other}`"),
            severity=severity,
            why=ORDER + ("" if severity == ERROR else ", so that neither is locked with a digest"),
            found="1 in both",
            where=one,
        ),
    )
    assert unpinned == (frozenset() if severity == ERROR else {"a", "b"})


@pytest.mark.parametrize(
    ("number", "more", "found"),
    [
        (5, "", "5 in both"),
        (6, " and 1 more", "6 in both"),
        (99, " and 94 more", "99 in both"),
        (150, " and 145 more", "150 in both"),
    ],
)
def test_what_is_told_is_bounded(tmp_path: Path, number: int, more: str, found: str) -> None:
    files = {name: {f"x/{index:03}.py": name for index in range(number)} for name in "ab"}
    inventory = inventory_of(tmp_path, files)
    assert overlapping(stated("ab", inventory), "a")[0] == (
        finding(
            "`a` and `b` put different files in one place: `x/000.py`, `x/001.py`, `x/002.py`, "
            f"`x/003.py`, `x/004.py`{more}",
            found=found,
            where="x/000.py",
        ),
    )


def test_several_pairs_are_sorted(tmp_path: Path) -> None:
    inventory = inventory_of(tmp_path, {name: {"x.py": name} for name in "cab"})
    found, unpinned = overlapping(stated("abc", inventory), "a")
    assert [each.summary[:13] for each in found] == [
        "`a` and `b` p",
        "`a` and `c` p",
        "`b` and `c` p",
    ]
    assert {each.severity for each in found} == {WARNING}
    assert unpinned == frozenset()


def test_an_environment_is_told_by_its_records(tmp_path: Path) -> None:
    """What was overwritten isn't there any more, and RECORD still states it."""
    site = tmp_path / "site"
    site.mkdir()
    for name in "ab":
        with zipfile.ZipFile(make_wheel(tmp_path, name, {"x.py": name})) as wheel:
            wheel.extractall(site)
    findings, unpinned = overlapping(stated("ab", EnvironmentInventory([str(site)])), "")
    assert [each.summary for each in findings] == [
        "`a` and `b` put different files in one place: `x.py`"
    ]
    assert unpinned == frozenset()


def test_twins_have_the_digests_of_their_wheels_in_whatever_order(tmp_path: Path) -> None:
    """An environment and a wheelhouse agree, though one twin's file is gone."""
    files = {"a": {"x.py": "1", "a.py": ""}, "b": {"x.py": "2", "b.py": ""}}
    house = dict(inventory_of(tmp_path, files).digests("ab", Reporter()))
    for order in ("ab", "ba"):
        site = tmp_path / order
        site.mkdir()
        for name in order:
            with zipfile.ZipFile(next(tmp_path.glob(f"{name}-*.whl"))) as wheel:
                wheel.extractall(site)
        assert dict(EnvironmentInventory([str(site)]).digests("ab", Reporter())) == house
        (site / "x.py").write_text("3")
        for name, outcome in EnvironmentInventory([str(site)]).digests("ab", Reporter()):
            assert isinstance(outcome, BrokenDistributionError)
            assert outcome.message == f"`x.py` of `{name}` isn't the file that its RECORD states"


def test_a_file_of_a_twin_that_is_not_locked_is_none_of_a_distribution(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    for name in "ab":
        with zipfile.ZipFile(make_wheel(tmp_path, name, {"x.py": name})) as wheel:
            wheel.extractall(site)
    ((_, outcome),) = EnvironmentInventory([str(site)]).digests("a", Reporter())
    assert isinstance(outcome, BrokenDistributionError)


def test_another_distribution_s_metadata_is_not_settled(tmp_path: Path) -> None:
    """No wheel may hold it, but a RECORD may list it."""
    site = tmp_path / "site"
    site.mkdir()
    path = "a-1.0.dist-info/METADATA"
    for name in "ab":
        with zipfile.ZipFile(make_wheel(tmp_path, name, {})) as wheel:
            wheel.extractall(site)
    with (site / "b-1.0.dist-info" / "RECORD").open("a") as record:
        record.write(f"{path},sha256={'A' * 43},1\n")
    (found,), unpinned = overlapping(stated("ab", EnvironmentInventory([str(site)])), "b")
    assert (found.severity, found.where, unpinned) == (ERROR, path, frozenset())
