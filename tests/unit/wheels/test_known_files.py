"""Wheels that are known by their identity, so that a run doesn't read them."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coral_lock.errors import BrokenDistributionError
from coral_lock.inventory import BrokenDistribution, Reporter
from coral_lock.targets.environment import this_environment
from coral_lock.wheels import cache as cache_module
from coral_lock.wheels.cache import FILES, SETTLED_NANOSECONDS, WheelCache, is_lasting
from coral_lock.wheels.inventory import WheelhouseInventory, WheelhouseView
from coral_lock.wheels.wheelhouse import Wheelhouse
from tests.support.handmade_wheels import make_wheel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.inventory import FoundDistribution

IDENTITY = (1, 2, 3, 4, 5)
HASH = "a" * 64
NOW = 10 * SETTLED_NANOSECONDS


def inventory_of(directory: Path, cache: WheelCache | None) -> WheelhouseInventory:
    view = WheelhouseView(Wheelhouse([str(directory)], cache=cache), this_environment())
    return view.chosen({name: view.releases(name)[0] for name in view.names()})


def found_in(
    directory: Path, cache: WheelCache | None
) -> dict[str, tuple[FoundDistribution | str, object]]:
    """Return of each distribution what it says of itself, and its digest or its refusal."""
    inventory = inventory_of(directory, cache)
    names = sorted({path.name.partition("-")[0] for path in directory.glob("*.whl")})
    found: dict[str, tuple[FoundDistribution | str, object]] = {}
    for name, digest in inventory.digests(names, Reporter()):
        distribution = inventory.find(name)
        assert distribution is not None
        found[name] = (
            str(distribution.error)
            if isinstance(distribution, BrokenDistribution)
            else distribution,
            str(digest) if isinstance(digest, BrokenDistributionError) else digest,
        )
    return found


@pytest.fixture
def house(tmp_path: Path) -> Path:
    directory = tmp_path / "house"
    directory.mkdir()
    make_wheel(directory, "acme", {"acme.py": "x = 1"}, entry_point="acme:x", requires="other>1")
    make_wheel(directory, "other", {"other.py": "y = 1"}, version="2.0")
    return directory


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the files of the test pass for old."""
    later = time.time_ns() + 3600 * 1_000_000_000
    monkeypatch.setattr("coral_lock.wheels.wheelhouse.time.time_ns", lambda: later)


def forbid_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("the wheel is read though the cache knows it")

    monkeypatch.setattr("coral_lock.wheels.wheelhouse.WheelArchive", fail)
    monkeypatch.setattr("coral_lock.wheels.wheelhouse.hash_file", fail)


def test_what_is_saved_is_known(tmp_path: Path) -> None:
    cache = WheelCache(str(tmp_path))
    assert cache.sha256(IDENTITY) is None
    cache.add_file(IDENTITY, HASH, NOW)
    assert WheelCache(str(tmp_path)).sha256(IDENTITY) is None
    cache.save()
    assert cache.sha256(IDENTITY) == WheelCache(str(tmp_path)).sha256(IDENTITY) == HASH
    for place in range(5):
        other = (*IDENTITY[:place], 9, *IDENTITY[place + 1 :])
        assert WheelCache(str(tmp_path)).sha256(other) is None  # type: ignore[arg-type]


def test_nothing_new_is_not_saved(tmp_path: Path) -> None:
    WheelCache(str(tmp_path)).save()
    assert not list(tmp_path.rglob(FILES))


def test_the_last_files_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "MAX_FILES", 2)
    cache = WheelCache(str(tmp_path))
    for number in range(3):
        cache.add_file((number, 2, 3, 4, 5), HASH, NOW)
    cache.save()
    known = WheelCache(str(tmp_path))
    assert [known.sha256((number, 2, 3, 4, 5)) for number in range(3)] == [None, HASH, HASH]


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_torn_or_edited_files_do_not_count(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tmp_path_factory.mktemp("cache")
    cache = WheelCache(str(base))
    cache.add_file(IDENTITY, HASH, NOW)
    cache.save()
    (kept,) = base.rglob(FILES)
    sound = kept.read_bytes()
    position = data.draw(st.integers(0, len(sound) - 1))
    torn = bytearray(sound)
    if data.draw(st.booleans()):
        torn[position] ^= data.draw(st.integers(1, 255))
    else:
        del torn[position:]
    kept.write_bytes(torn)
    assert WheelCache(str(base)).sha256(IDENTITY) is None


def test_an_identity_lasts_when_both_times_are_past(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 10 * SETTLED_NANOSECONDS
    past = now - SETTLED_NANOSECONDS
    assert is_lasting((1, 2, 3, past, past), now)
    assert not is_lasting((1, 2, 3, past + 1, past), now)
    assert not is_lasting((1, 2, 3, past, past + 1), now)
    assert not is_lasting((1, 2, 3, now + 1, past), now)
    assert not is_lasting((1, 0, 3, past, past), now)
    monkeypatch.setattr("coral_lock.wheels.cache.os.name", "nt")
    assert not is_lasting((1, 2, 3, past, past), now)


@pytest.mark.usefixtures("settled")
def test_a_known_file_is_not_opened(
    house: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = found_in(house, None)
    assert found_in(house, WheelCache(str(tmp_path))) == plain
    with monkeypatch.context() as context:
        forbid_reading(context)
        assert found_in(house, WheelCache(str(tmp_path))) == plain
    shutil.rmtree(tmp_path / "coral-lock")
    assert found_in(house, WheelCache(str(tmp_path))) == plain


@pytest.mark.usefixtures("settled")
def test_a_source_of_a_known_file(house: Path, tmp_path: Path) -> None:
    found_in(house, WheelCache(str(tmp_path)))
    inventory = inventory_of(house, WheelCache(str(tmp_path)))
    assert inventory.find("acme") is not None
    for _ in range(2):
        assert inventory.read_source("acme", "acme.py") == b"x = 1"
        assert inventory.read_source("acme", "absent.py") is None


def test_a_file_that_was_just_written_is_not_known(house: Path, tmp_path: Path) -> None:
    for path in house.iterdir():
        os.utime(path, ns=(0, 0))
    found_in(house, WheelCache(str(tmp_path)))
    assert not list(tmp_path.rglob(FILES))


@pytest.mark.usefixtures("settled")
def test_links_are_known_as_their_file(
    house: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soft, hard = tmp_path / "soft", tmp_path / "hard"
    for directory, link in ((soft, Path.symlink_to), (hard, Path.hardlink_to)):
        directory.mkdir()
        for path in house.iterdir():
            link(directory / path.name, path)
    found_in(house, WheelCache(str(tmp_path)))
    expected = {directory: found_in(directory, None) for directory in (soft, hard)}
    forbid_reading(monkeypatch)
    for directory in (soft, hard):
        assert found_in(directory, WheelCache(str(tmp_path))) == expected[directory]


@pytest.mark.parametrize("name", ["acme-2.0-py3-none-any.whl", "another-1.0-py3-none-any.whl"])
@pytest.mark.usefixtures("settled")
def test_a_known_file_under_a_false_name_is_refused(house: Path, tmp_path: Path, name: str) -> None:
    found_in(house, WheelCache(str(tmp_path)))
    known = house / "acme-1.0-py3-none-any.whl"
    (house / name).hardlink_to(known)
    known.unlink()
    # The link has changed the inode, and so the identity.
    found_in(house, WheelCache(str(tmp_path)))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    known.hardlink_to(house / name)
    found_in(house, WheelCache(str(tmp_path)))
    (elsewhere / name).symlink_to(known)
    plain = found_in(elsewhere, None)
    assert found_in(elsewhere, WheelCache(str(tmp_path))) == plain
    ((refusal, digest),) = plain.values()
    assert refusal == digest
    assert "doesn't match the file name" in str(refusal)


@pytest.mark.parametrize("with_cache", [False, True])
@pytest.mark.usefixtures("settled")
def test_a_wheel_that_is_replaced_between_two_questions(
    house: Path, tmp_path: Path, with_cache: bool
) -> None:
    found_in(house, WheelCache(str(tmp_path)))
    inventory = inventory_of(house, WheelCache(str(tmp_path)) if with_cache else None)
    assert inventory.find("acme") is not None
    wheel = house / "acme-1.0-py3-none-any.whl"
    wheel.unlink()
    make_wheel(house, "acme", {"acme.py": "x = 2"})
    os.utime(wheel, ns=(0, 0))
    ((_, error),) = inventory.digests(["acme"], Reporter())
    assert str(error) == f"the wheel changed while it was read ({wheel})"


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["write", "replace", "forge", "remove cache", "damage cache", "run"]),
            st.integers(1, 9),
            st.booleans(),
        ),
        max_size=5,
    )
)
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=25)
def test_the_cache_never_changes_the_result(
    steps: list[tuple[str, int, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        _hold_against_no_cache(steps, tmp_path_factory.mktemp("base"), monkeypatch)


def _hold_against_no_cache(
    steps: list[tuple[str, int, bool]], base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, scratch = base / "house", base / "scratch"
    house.mkdir()
    scratch.mkdir()
    wheel = make_wheel(house, "acme", {"acme.py": "x = 0"})
    # The kernel's clock ticks more often than this, and no test waits for two seconds.
    tick = 20_000_000
    monkeypatch.setattr(cache_module, "SETTLED_NANOSECONDS", tick)
    for step, number, is_old in (*steps, ("run", 0, True), ("run", 0, True)):
        files = {"acme.py": f"x = {number}"}
        status = wheel.stat()
        if step in ("write", "forge"):
            make_wheel(house, "acme", files)
        elif step == "replace":
            os.replace(make_wheel(scratch, "acme", files), wheel)
        elif step == "remove cache":
            shutil.rmtree(base / "coral-lock", ignore_errors=True)
        elif step == "damage cache":
            for path in base.glob("coral-lock/wheels/v5/*"):
                path.write_bytes(path.read_bytes().replace(b"1", b"2"))
        if step == "forge":
            os.utime(wheel, ns=(status.st_atime_ns, status.st_mtime_ns))
            assert wheel.stat().st_size == status.st_size
        if is_old:
            time.sleep(2 * tick / 1e9)
        assert found_in(house, WheelCache(str(base))) == found_in(house, None)
