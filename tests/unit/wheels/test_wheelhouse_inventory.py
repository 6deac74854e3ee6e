"""Chosen wheels as an inventory."""

from __future__ import annotations

import hashlib
import shutil
import threading
import zipfile
from pathlib import Path

import pytest

from coral_lock.errors import BrokenDistributionError, UnreadableSourceError
from coral_lock.installed.digest import MAX_THREADS, hash_file
from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.inventory import BrokenDistribution, Distribution, Reporter
from coral_lock.locking.placement import Overlap, overlaps
from coral_lock.targets.environment import this_environment
from coral_lock.wheels.archive import WheelArchive
from coral_lock.wheels.contents import WheelContents, read_contents
from coral_lock.wheels.wheelhouse import (
    MAX_SOURCE_BYTES,
    WheelFile,
    Wheelhouse,
    WheelhouseInventory,
    WheelhouseView,
)
from tests.support.environments import create_environment, install_with_uv
from tests.support.handmade_wheels import make_wheel

CLICK = "t1:81efhXpW63h+giO28oddyDIuj0TQcNKWXbd3c87w9SE="
MARKUPSAFE = "t1:fjxQuZhfSazWiBwz0EeA9wdp7J/nabNVUlk+UnDAzWw="


def inventory_of(directory: Path, *names: str) -> WheelhouseInventory:
    """Return the newest wheels of the named distributions, or of all."""
    view = WheelhouseView(Wheelhouse([str(directory)]), this_environment())
    releases = {name: view.releases(name) for name in names or view.names()}
    return view.chosen({name: found[0] for name, found in releases.items() if found})


def overlaps_among(inventory: WheelhouseInventory, names: list[str]) -> tuple[Overlap, ...]:
    return overlaps({name: inventory.stated(name).files for name in names})


def edit(wheel: Path, name: str, content: str) -> None:
    """Give a member other bytes, and leave RECORD as it is."""
    with zipfile.ZipFile(wheel) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    with zipfile.ZipFile(wheel, "w") as archive:
        for member, old in members.items():
            archive.writestr(member, content if member == name else old)


def test_the_distributions_that_declare_plugins(tmp_path: Path) -> None:
    make_wheel(tmp_path, "b-plugin", {"b.py": ""}, entry_point="b:register")
    make_wheel(tmp_path, "a-library", {"a.py": ""})
    (tmp_path / "c_torn-1.0-py3-none-any.whl").write_bytes(b"PK")
    make_wheel(tmp_path, "d-left-out", {"d.py": ""}, entry_point="d:register")
    inventory = inventory_of(tmp_path, "a-library", "b-plugin", "c-torn")
    plugin, torn = inventory.plugin_distributions()
    assert (plugin, torn) == (inventory.find("b-plugin"), inventory.find("c-torn"))
    assert isinstance(plugin, Distribution)
    assert isinstance(torn, BrokenDistribution)
    assert isinstance(inventory.find("a-library"), Distribution)
    assert inventory.find("d-left-out") is inventory.find("absent") is None


def test_the_version_that_was_chosen_counts(tmp_path: Path) -> None:
    make_wheel(tmp_path, "acme", {"acme.py": "old"}, version="1.0", entry_point="acme:x")
    make_wheel(tmp_path, "acme", {"acme.py": "new"}, version="2.0")
    view = WheelhouseView(Wheelhouse([str(tmp_path)]), this_environment())
    old, new = view.chosen({"acme": "1"}), view.chosen({"acme": "2.0", "absent": "1.0"})
    assert [found.name for found in old.plugin_distributions()] == ["acme"]
    assert new.plugin_distributions() == ()
    assert (old.read_source("acme", "acme.py"), new.read_source("acme", "acme.py")) == (
        b"old",
        b"new",
    )
    assert view.chosen({"acme": "3.0"}).find("acme") is None


def test_the_files_of_a_wheel(tmp_path: Path) -> None:
    make_wheel(
        tmp_path,
        "acme",
        {
            "acme/__init__.py": "x = 1",
            "acme-1.0.data/purelib/acme/more.py": "y = 2",
            "acme-1.0.data/scripts/acme": "#!python",
            "acme/large.py": "#" * (MAX_SOURCE_BYTES + 1),
            "acme/largest.py": "#" * MAX_SOURCE_BYTES,
        },
    )
    (tmp_path / "torn-1.0-py3-none-any.whl").write_bytes(b"PK")
    inventory = inventory_of(tmp_path)
    assert inventory.read_source("acme", "acme/__init__.py") == b"x = 1"
    assert inventory.read_source("acme", "acme/more.py") == b"y = 2"
    assert inventory.read_source("acme", "acme/largest.py") == b"#" * MAX_SOURCE_BYTES
    for path in ("acme", "absent.py", "../x", "acme-1.0.data/scripts/acme", ""):
        assert inventory.read_source("acme", path) is None
    for name, path, message in (
        ("acme", "acme/large.py", "the member `acme/large.py` has more than 1048576 bytes"),
        ("torn", "torn.py", "the wheel isn't a ZIP file"),
    ):
        with pytest.raises(UnreadableSourceError) as caught:
            inventory.read_source(name, path)
        assert caught.value.message.startswith(message)
    assert inventory.read_source("absent", "acme/__init__.py") is None


def test_digests_come_in_the_order_asked_for(tmp_path: Path) -> None:
    for name, size in (("small", 1), ("large", 100_000), ("middle", 1000)):
        make_wheel(tmp_path, name, {f"{name}.py": "#" * size})
    inventory = inventory_of(tmp_path)
    names = ["small", "large", "middle", "small"]
    found = list(inventory.digests(names, Reporter()))
    assert [name for name, _ in found] == names
    assert found[0] == found[3] != found[1]
    assert list(inventory.digests([], Reporter())) == []
    assert next(inventory.digests(names, Reporter())) == found[0]
    with pytest.raises(KeyError):
        next(inventory.digests(["absent"], Reporter()))


def test_wheels_without_a_digest(tmp_path: Path) -> None:
    sound = make_wheel(tmp_path, "sound", {"sound.py": ""})
    false = make_wheel(tmp_path, "false", {"false.py": "x = 1"})
    edit(false, "false.py", "x = 2")
    torn = tmp_path / "torn-1.0-py3-none-any.whl"
    torn.write_bytes(sound.read_bytes()[:-1])
    renamed = tmp_path / "other-1.0-py3-none-any.whl"
    shutil.copy(sound, renamed)
    inventory = inventory_of(tmp_path)
    found = dict(inventory.digests(["torn", "sound", "other", "false"], Reporter()))
    told = {
        name: (error.code, error.where)
        for name, error in found.items()
        if isinstance(error, BrokenDistributionError)
    }
    assert told == {
        "torn": ("wheel-malformed", str(torn)),
        "other": ("wheel-malformed", str(renamed)),
        "false": ("false-record", str(false)),
    }
    assert overlaps_among(inventory, ["torn", "sound", "other", "false"]) == ()


def test_a_wheel_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel(tmp_path, "sound", {"sound.py": ""})
    edit(make_wheel(tmp_path, "false", {"false.py": "x = 1"}), "false.py", "x = 2")
    read: list[str] = []

    def spy(archive: WheelArchive) -> WheelContents:
        read.append(archive.path)
        return read_contents(archive)

    monkeypatch.setattr("coral_lock.wheels.wheelhouse.read_contents", spy)
    view = WheelhouseView(Wheelhouse([str(tmp_path)]), this_environment())
    names = ["false", "sound"]
    for _ in range(2):
        inventory = view.chosen(dict.fromkeys(names, "1.0"))
        assert [name for name, _ in inventory.digests(names, Reporter())] == names
        assert overlaps_among(inventory, names) == ()
    assert len(read) == 2


def test_a_wheel_that_is_gone(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "acme", {"acme.py": ""})
    inventory = inventory_of(tmp_path)
    assert isinstance(inventory.find("acme"), Distribution)
    house = Wheelhouse([str(tmp_path)])
    (found,) = house.wheels_of("acme", "1.0")
    assert isinstance(house.distribution(found), Distribution)
    wheel.unlink()
    ((_, error),) = inventory.digests(["acme"], Reporter())
    assert isinstance(error, BrokenDistributionError)
    assert error.where == str(wheel)
    with pytest.raises(UnreadableSourceError, match="No such file or directory"):
        inventory.read_source("acme", "acme.py")
    with pytest.raises(BrokenDistributionError) as caught:
        house.file(found)
    assert (caught.value.message, caught.value.code, caught.value.where, caught.value.hint) == (
        "the wheel can't be read: No such file or directory",
        "wheel-malformed",
        str(wheel),
        "make it readable, or remove it from the wheelhouse",
    )


def test_a_wheel_as_a_file(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "acme", {"acme.py": "x = 1"})
    house = Wheelhouse([str(tmp_path)])
    (found,) = house.wheels_of("acme", "1.0")
    content = wheel.read_bytes()
    assert house.file(found) == WheelFile(
        path=str(wheel),
        file_name=wheel.name,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    assert house.file(found) is house.file(found)


def test_a_wheel_that_changes_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel(tmp_path, "acme", {"acme.py": "x = 1"})
    house = Wheelhouse([str(tmp_path)])
    (found,) = house.wheels_of("acme", "1.0")

    def change(path: str) -> str:
        digest = hash_file(path)
        wheel.write_bytes(wheel.read_bytes() + b"\0")
        return digest

    monkeypatch.setattr("coral_lock.wheels.wheelhouse.hash_file", change)
    with pytest.raises(BrokenDistributionError) as caught:
        house.file(found)
    assert (caught.value.message, caught.value.code, caught.value.where, caught.value.hint) == (
        "the wheel changed while it was read",
        "wheel-malformed",
        str(wheel),
        "run the command again when nothing writes to the wheelhouse",
    )


def test_distributions_that_put_files_in_one_place(tmp_path: Path) -> None:
    make_wheel(tmp_path, "acme-a", {"acme/__init__.py": "", "acme/shared.py": "x = 1"})
    make_wheel(
        tmp_path,
        "acme-b",
        {"acme/__init__.py": "", "acme_b-1.0.data/platlib/acme/shared.py": "x = 2"},
    )
    make_wheel(tmp_path, "acme-c", {"acme/__init__.py": "", "acme/other.py": ""})
    inventory = inventory_of(tmp_path)
    assert overlaps_among(inventory, ["acme-c", "acme-b", "acme-a"]) == (
        Overlap(
            path="acme/shared.py", first="acme-a", second="acme-b", second_path="acme/shared.py"
        ),
    )
    assert overlaps_among(inventory, ["acme-b", "acme-c"]) == ()


def test_the_largest_wheel_is_hashed_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"a": 1, "b": 30_000, "c": 20_000, "d": 30_000}
    for name, size in sizes.items():
        make_wheel(tmp_path, name, {f"{name}.py": "#" * size})
    begun: list[str] = []

    def spy(archive: WheelArchive) -> WheelContents:
        begun.append(archive.wheel.name)
        return read_contents(archive)

    monkeypatch.setattr("coral_lock.wheels.wheelhouse.read_contents", spy)
    monkeypatch.setattr("coral_lock.wheels.wheelhouse.MAX_THREADS", 1)
    found = list(inventory_of(tmp_path).digests(["a", "b", "c", "a", "d"], Reporter()))
    assert [name for name, _ in found] == ["a", "b", "c", "a", "d"]
    assert begun == ["b", "d", "c", "a"]


def test_what_nobody_waits_for_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"acme-{index:03}" for index in range(40)]
    for name in names:
        make_wheel(tmp_path, name, {})
    begun: list[str] = []
    gate = threading.Event()

    def wait(archive: WheelArchive) -> WheelContents:
        begun.append(archive.wheel.name)
        if archive.wheel.name != names[0]:
            gate.wait()
        return read_contents(archive)

    monkeypatch.setattr("coral_lock.wheels.wheelhouse.read_contents", wait)
    outcomes = inventory_of(tmp_path).digests(names, Reporter())
    name, digest = next(outcomes)
    assert name == names[0]
    assert isinstance(digest, dict)
    threading.Timer(0.1, gate.set).start()
    outcomes.close()  # type: ignore[attr-defined]
    assert len(begun) <= 1 + MAX_THREADS


def test_known_digests_of_real_wheels(wheelhouse: Path) -> None:
    inventory = inventory_of(wheelhouse, "click", "markupsafe")
    (_, click), (_, markupsafe) = inventory.digests(["click", "markupsafe"], Reporter())
    assert click == {"py3-none-any": CLICK}
    assert isinstance(markupsafe, dict)
    assert list(markupsafe.values()) == [MARKUPSAFE]


def test_wheels_are_what_their_installation_is(wheelhouse: Path, tmp_path: Path) -> None:
    names = ("acme-vision", "acme-stabilizer", "click", "markupsafe", "native-plugin", "pyyaml")
    environment = create_environment(tmp_path / "environment")
    install_with_uv(environment, *names, wheelhouse=wheelhouse, no_deps=True)
    installed = EnvironmentInventory([str(environment.site_packages)])
    chosen = inventory_of(wheelhouse, *names)
    assert dict(chosen.digests(names, Reporter())) == dict(installed.digests(names, Reporter()))
    assert [found.name for found in chosen.plugin_distributions()] == [
        found.name for found in installed.plugin_distributions()
    ]
    for name in names:
        one, other = chosen.find(name), installed.find(name)
        assert isinstance(one, Distribution)
        assert isinstance(other, Distribution)
        assert one.replace(location="") == other.replace(location="")
        for path in ("acme_vision/__init__.py", "acme_vision/coral_plugin.yaml", "click/core.py"):
            assert chosen.read_source(name, path) == installed.read_source(name, path)


def test_the_tags_of_a_file_name_are_those_of_the_wheel(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "acme", {"acme.py": ""}, tag="cp39-cp39-win32")
    wheel.rename(tmp_path / "acme-1.0-py3-none-any.whl")
    ((_, error),) = inventory_of(tmp_path).digests(["acme"], Reporter())
    assert isinstance(error, BrokenDistributionError)
    assert (error.code, error.message) == (
        "wheel-malformed",
        "the file name states other tags than WHEEL, which states `cp39-cp39-win32`",
    )
