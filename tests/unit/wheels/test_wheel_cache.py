"""What is kept of wheels between runs, and when it doesn't count."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coral_lock.errors import BrokenDistributionError
from coral_lock.inventory import Distribution, Reporter
from coral_lock.targets.environment import this_environment
from coral_lock.wheels.archive import WheelArchive
from coral_lock.wheels.contents import WheelContents, read_contents
from coral_lock.wheels.wheelhouse import WheelCache, Wheelhouse, WheelhouseView, default_cache_base
from tests.support.handmade_wheels import make_wheel

KEY = "a" * 64
CONTENTS = WheelContents(
    tag="py3-none-any",
    digest="t1:81efhXpW63h+giO28oddyDIuj0TQcNKWXbd3c87w9SE=",
    files={"acme/__init__.py": "1" * 64, "acme/Ünï  code.py": "2" * 64},
    outside={"data/share/x": "3" * 64, "scripts/acme": "4" * 64},
    commands=("acme", "acme tool"),
    dist_info="acme-1.0.dist-info",
    texts={"METADATA": "Name: acme\nVersion: 1.0\n", "entry_points.txt": ""},
)


def directory_of(base: Path) -> Path:
    return base / "coral-lock" / "wheels" / "v7"


def digest_of(directory: Path, cache: WheelCache | None) -> object:
    """Return the digest of the one distribution in a wheelhouse, or why there is none."""
    house = Wheelhouse([str(directory)], cache=cache)
    view = WheelhouseView(house, this_environment())
    (name,) = view.names()
    inventory = view.chosen({name: view.releases(name)[0]})
    ((_, digest),) = inventory.digests([name], Reporter())
    return digest


def forbid_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise AssertionError("the wheel is read though the cache knows it")

    monkeypatch.setattr("coral_lock.wheels.wheelhouse.read_contents", fail)


def test_what_is_stored_is_loaded(tmp_path: Path) -> None:
    base = tmp_path / "not" / "there" / "yet"
    cache = WheelCache(str(base))
    assert cache.problem is None
    assert cache.load(KEY) is None
    cache.store(KEY, CONTENTS)
    loaded = WheelCache(str(base)).load(KEY)
    assert cache.load(KEY) == loaded == CONTENTS
    assert loaded is not None
    assert list(loaded.files) == list(CONTENTS.files)
    entry = directory_of(base) / KEY
    assert os.listdir(directory_of(base)) == [KEY]
    assert stat.S_IMODE(entry.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory_of(base).stat().st_mode) == 0o700


def test_an_entry_of_another_wheel_does_not_count(tmp_path: Path) -> None:
    cache = WheelCache(str(tmp_path))
    cache.store(KEY, CONTENTS)
    shutil.copy(directory_of(tmp_path) / KEY, directory_of(tmp_path) / ("b" * 64))
    assert cache.load("b" * 64) is None


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_torn_or_edited_entry_does_not_count(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tmp_path_factory.mktemp("cache")
    cache = WheelCache(str(base))
    cache.store(KEY, CONTENTS)
    entry = directory_of(base) / KEY
    sound = entry.read_bytes()
    position = data.draw(st.integers(0, len(sound) - 1))
    change = data.draw(st.sampled_from(["cut", "flip", "drop", "grow"]))
    torn = bytearray(sound)
    if change == "cut":
        del torn[position:]
    elif change == "flip":
        torn[position] ^= data.draw(st.integers(1, 255))
    elif change == "drop":
        del torn[position]
    else:
        torn.insert(position, data.draw(st.integers(0, 255)))
    entry.write_bytes(torn)
    assert cache.load(KEY) == (CONTENTS if torn == sound else None)
    cache.store(KEY, CONTENTS)
    assert entry.read_bytes() == sound


def test_an_entry_that_is_not_a_file(tmp_path: Path) -> None:
    cache = WheelCache(str(tmp_path))
    os.mkfifo(directory_of(tmp_path) / KEY)
    assert cache.load(KEY) is None
    cache.store(KEY, CONTENTS)
    assert cache.load(KEY) == CONTENTS


def test_a_wheel_without_anything_optional(tmp_path: Path) -> None:
    known = replace(CONTENTS, files={}, outside={}, commands=())
    cache = WheelCache(str(tmp_path))
    cache.store(KEY, known)
    assert cache.load(KEY) == known


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (KEY.encode() + b'",', b'",'),
        (b'"commands":', b'"command":'),
        (b'"files":{', b'"others":{'),
        (b'"tag":', b'"tags":'),
        (b"[", b""),
    ],
)
def test_an_entry_of_another_form_does_not_count(tmp_path: Path, old: bytes, new: bytes) -> None:
    cache = WheelCache(str(tmp_path))
    cache.store(KEY, CONTENTS)
    entry = directory_of(tmp_path) / KEY
    _, _, body = entry.read_bytes().partition(b"\n")
    assert old in body
    changed = body.replace(old, new, 1)
    entry.write_bytes(hashlib.sha256(changed).hexdigest().encode() + b"\n" + changed)
    assert cache.load(KEY) is None


def test_a_directory_that_others_can_write_to(tmp_path: Path) -> None:
    WheelCache(str(tmp_path)).store(KEY, CONTENTS)
    for directory in (directory_of(tmp_path), directory_of(tmp_path).parents[1]):
        directory.chmod(0o770)
        cache = WheelCache(str(tmp_path))
        assert cache.problem == f"`{directory}` can't be used: others can write to it"
        assert cache.load(KEY) is None
        cache.store("b" * 64, CONTENTS)
        directory.chmod(0o755)
    assert WheelCache(str(tmp_path)).problem is None
    assert os.listdir(directory_of(tmp_path)) == [KEY]


def test_a_directory_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    WheelCache(str(tmp_path))
    directory, owner = tmp_path / "coral-lock", os.geteuid()
    if owner == 0:
        os.chown(directory, 4321, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    problem = WheelCache(str(tmp_path)).problem
    assert problem == f"`{directory}` can't be used: others can write to it"


def test_a_link_is_followed_to_a_directory_that_counts(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "coral-lock").symlink_to("elsewhere")
    assert WheelCache(str(tmp_path)).problem is None
    (tmp_path / "elsewhere").chmod(0o777)
    problem = WheelCache(str(tmp_path)).problem
    assert problem == f"`{tmp_path / 'coral-lock'}` can't be used: others can write to it"


def test_a_link_of_another_user_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    link = tmp_path / "coral-lock"
    link.symlink_to("elsewhere")
    status = os.lstat(link)
    foreign = os.stat_result((*status[:4], os.geteuid() + 1, *status[5:]))
    lstat = os.lstat
    monkeypatch.setattr(os, "lstat", lambda path: foreign if path == str(link) else lstat(path))
    problem = WheelCache(str(tmp_path)).problem
    assert problem == f"`{link}` can't be used: others can write to it"


def test_the_base_is_made_for_its_user_alone(tmp_path: Path) -> None:
    WheelCache(str(tmp_path / "cache"))
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = WheelCache(str(tmp_path / "file"))
    assert cache.problem == f"`{tmp_path / 'file'}` can't be used: File exists"
    assert cache.load(KEY) is None
    cache.store(KEY, CONTENTS)


@pytest.mark.parametrize(
    ("module", "function"), [(tempfile, "NamedTemporaryFile"), (os, "replace")]
)
def test_a_full_disk_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object, function: str
) -> None:
    cache = WheelCache(str(tmp_path))

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, function, fail)
    cache.store(KEY, CONTENTS)
    monkeypatch.undo()
    assert os.listdir(directory_of(tmp_path)) == []
    directory_of(tmp_path).rmdir()
    cache.store(KEY, CONTENTS)
    assert cache.load(KEY) is None


def test_the_default_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_cache_base() == "/somewhere"
    for unusable in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", unusable)
        assert default_cache_base() == "/home/somebody/.cache"


def test_a_known_wheel_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = tmp_path / "house"
    house.mkdir()
    make_wheel(house, "acme", {"acme.py": "x = 1"})
    plain = digest_of(house, None)
    cache = WheelCache(str(tmp_path))
    assert digest_of(house, cache) == plain
    forbid_reading(monkeypatch)
    moved = house.rename(tmp_path / "moved")
    assert digest_of(moved, cache) == plain


def test_a_wheel_whose_bytes_change_is_another(tmp_path: Path) -> None:
    house = tmp_path / "house"
    house.mkdir()
    cache = WheelCache(str(tmp_path))
    wheel = make_wheel(house, "acme", {"acme.py": "x = 1"})
    first = digest_of(house, cache)
    status = wheel.stat()
    make_wheel(house, "acme", {"acme.py": "x = 2"})
    os.utime(wheel, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert wheel.stat().st_size == status.st_size
    assert digest_of(house, cache) == digest_of(house, None) != first


def test_a_known_wheel_under_a_false_name_is_refused(tmp_path: Path) -> None:
    house = tmp_path / "house"
    house.mkdir()
    cache = WheelCache(str(tmp_path))
    wheel = make_wheel(house, "acme", {"acme.py": "x = 1"})
    assert isinstance(digest_of(house, cache), dict)
    renamed = wheel.rename(house / "acme-2.0-py3-none-any.whl")
    error = digest_of(house, cache)
    assert isinstance(error, BrokenDistributionError)
    assert (error.code, error.where) == ("wheel-malformed", str(renamed))
    assert str(error) == str(digest_of(house, None))


def test_a_refusal_is_not_kept(tmp_path: Path) -> None:
    house = tmp_path / "house"
    house.mkdir()
    wheel = make_wheel(house, "acme", {"acme.py": "x = 1"})
    wheel.write_bytes(wheel.read_bytes().replace(b"x = 1", b"x = 2"))
    error = digest_of(house, WheelCache(str(tmp_path)))
    assert isinstance(error, BrokenDistributionError)
    assert str(error) == str(digest_of(house, None))
    assert os.listdir(directory_of(tmp_path)) == []


def test_a_wheel_that_changes_behind_its_hash_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = tmp_path / "house"
    house.mkdir()
    wheel = make_wheel(house, "acme", {"acme.py": "x = 1"})

    def read_and_change(archive: WheelArchive) -> WheelContents:
        contents = read_contents(archive)
        os.utime(wheel, ns=(0, 0))
        return contents

    monkeypatch.setattr("coral_lock.wheels.wheelhouse.read_contents", read_and_change)
    for cache in (WheelCache(str(tmp_path)), None):
        error = digest_of(house, cache)
        assert isinstance(error, BrokenDistributionError)
        assert str(error) == f"the wheel changed while it was read ({wheel})"
        os.utime(wheel)
    assert os.listdir(directory_of(tmp_path)) == []


@pytest.mark.parametrize("with_cache", [False, True])
def test_a_wheel_that_is_replaced_between_two_questions(tmp_path: Path, with_cache: bool) -> None:
    house = tmp_path / "house"
    house.mkdir()
    wheel = make_wheel(house, "acme", {"acme.py": "x = 1"})
    cache = WheelCache(str(tmp_path)) if with_cache else None
    digest_of(house, cache)
    view = WheelhouseView(Wheelhouse([str(house)], cache=cache), this_environment())
    inventory = view.chosen({"acme": "1.0"})
    assert isinstance(inventory.find("acme"), Distribution)
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
        ),
        max_size=5,
    )
)
@settings(max_examples=25)
def test_the_cache_never_changes_the_result(
    steps: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tmp_path_factory.mktemp("base")
    house, scratch = base / "house", base / "scratch"
    house.mkdir()
    scratch.mkdir()
    wheel = make_wheel(house, "acme", {"acme.py": "x = 0"})
    for step, number in (*steps, ("run", 0), ("run", 0)):
        files = {"acme.py": f"x = {number}"}
        status = wheel.stat()
        if step in ("write", "forge"):
            make_wheel(house, "acme", files)
        elif step == "replace":
            os.replace(make_wheel(scratch, "acme", files), wheel)
        elif step == "remove cache":
            shutil.rmtree(base / "coral-lock", ignore_errors=True)
        elif step == "damage cache":
            for path in base.glob("coral-lock/wheels/v6/*"):
                path.write_bytes(path.read_bytes().replace(b"1", b"2"))
        if step == "forge":
            os.utime(wheel, ns=(status.st_atime_ns, status.st_mtime_ns))
            assert wheel.stat().st_size == status.st_size
        assert digest_of(house, WheelCache(str(base))) == digest_of(house, None)
