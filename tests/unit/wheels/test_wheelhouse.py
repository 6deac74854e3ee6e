"""Directories of wheels, and what they offer a target."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coral_lock.errors import InputError
from coral_lock.inventory import BrokenDistribution, Distribution, EntryPoint
from coral_lock.targets.environment import TargetEnvironment, environment_of
from coral_lock.targets.model import Target
from coral_lock.wheels.wheelhouse import Wheelhouse, WheelhouseView
from tests.support.handmade_wheels import make_wheel

X86 = environment_of(Target(name="x86", python="3.11", platform="manylinux_2_28_x86_64"))
JETSON = environment_of(Target(name="jetson", python="3.10", platform="manylinux_2_31_aarch64"))


def empty(directory: Path, *names: str) -> None:
    """Put files into the directory that only their names tell to be wheels."""
    for name in names:
        (directory / name).write_bytes(b"")


def view_of(directory: Path, environment: TargetEnvironment = X86) -> WheelhouseView:
    return WheelhouseView(Wheelhouse([str(directory)]), environment)


def test_what_is_listed(tmp_path: Path) -> None:
    empty(tmp_path, "b_x-1.0-py3-none-any.whl", "A.y-2.0-py3-none-any.whl")
    empty(tmp_path, "a_y-1.0-py3-none-any.whl", "c-1.0.tar.gz", "readme", "d-1.0-py3-none-any.WHL")
    (tmp_path / "e-1.0-py3-none-any.whl").mkdir()
    (tmp_path / "more").mkdir()
    empty(tmp_path / "more", "f-1.0-py3-none-any.whl")
    house = Wheelhouse([str(tmp_path)])
    assert house.names() == ("a-y", "b-x")
    assert house.broken == ()
    assert [wheel.file_name for wheel in house.wheels_of("a-y", "2")] == [
        "A.y-2.0-py3-none-any.whl"
    ]
    assert house.wheels_of("a-y", "3.0") == house.wheels_of("c", "1.0") == ()
    assert house.wheels_of("a-y", "no version") == ()


def test_several_directories(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for directory in (one, other):
        directory.mkdir()
    empty(one, "a-1.0-py3-none-any.whl")
    empty(other, "a-2.0-py3-none-any.whl", "b-1.0-py3-none-any.whl")
    house = Wheelhouse([str(other), str(one), str(other)])
    assert house.names() == ("a", "b")
    assert [str(version) for version in house.versions("a")] == ["1.0", "2.0"]


def test_files_that_are_no_wheels_by_name(tmp_path: Path) -> None:
    empty(tmp_path, "b.whl", "a-1.0-py3-none-any.whl", "a-x-py3-none-any.whl")
    assert [
        (error.code, error.message, error.where) for error in Wheelhouse([str(tmp_path)]).broken
    ] == [
        ("wheel-malformed", f"the file name `{name}` isn't a wheel's", str(tmp_path / name))
        for name in ("a-x-py3-none-any.whl", "b.whl")
    ]


def test_directories_that_cannot_be_listed(tmp_path: Path) -> None:
    empty(tmp_path, "a-1.0-py3-none-any.whl")
    for path, reason in (
        (str(tmp_path / "absent"), "No such file or directory"),
        (str(tmp_path / "a-1.0-py3-none-any.whl"), "Not a directory"),
        ("a\0b", "embedded null"),
    ):
        with pytest.raises(InputError) as caught:
            Wheelhouse([str(tmp_path), path])
        error = caught.value
        assert error.message.startswith("the wheelhouse can't be listed: ")
        assert reason in error.message
        assert (error.where, error.hint) == (path, "name a directory that holds wheels")


def test_a_wheelhouse_without_wheels(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    empty(tmp_path, "a-1.0.tar.gz")
    with pytest.raises(InputError) as caught:
        Wheelhouse([str(tmp_path), str(tmp_path / "empty")])
    assert (caught.value.message, caught.value.where, caught.value.hint) == (
        "there are no wheels",
        f"{tmp_path}, {tmp_path / 'empty'}",
        "fill the directory with `pip download` or `pip wheel`",
    )


def test_the_same_file_in_two_directories(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    wheel = make_wheel(one, "acme", {"acme.py": ""})
    shutil.copytree(one, other)
    house = Wheelhouse([str(other), str(one)])
    (found,) = house.wheels_of("acme", "1.0")
    assert found.path == str(other / wheel.name)
    assert isinstance(house.distribution(found), Distribution)


def test_two_files_with_one_name(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for directory, text in ((one, "x = 1"), (other, "x = 2")):
        directory.mkdir()
        wheel = make_wheel(directory, "acme", {"acme.py": text})
    house = Wheelhouse([str(one), str(other)])
    (found,) = house.wheels_of("acme", "1.0")
    broken = house.distribution(found)
    assert isinstance(broken, BrokenDistribution)
    assert (broken.name, broken.location) == ("acme", str(one / wheel.name))
    assert (broken.error.code, broken.error.message, broken.error.where, broken.error.hint) == (
        "conflict",
        f"two different wheels have the same file name: "
        f"`{one / wheel.name}` and `{other / wheel.name}`",
        str(other / wheel.name),
        "keep the one that you trust",
    )
    assert house.contents(found) is broken.error


def test_a_second_file_that_cannot_be_read(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for directory in (one, other):
        directory.mkdir()
    wheel = make_wheel(one, "acme", {"acme.py": ""})
    (other / wheel.name).symlink_to("nowhere")
    house = Wheelhouse([str(one), str(other)])
    broken = house.distribution(house.wheels_of("acme", "1.0")[0])
    assert isinstance(broken, BrokenDistribution)
    assert (broken.error.message, broken.error.where) == (
        "the wheel can't be read: No such file or directory",
        str(other / wheel.name),
    )


def test_what_a_wheel_says_of_itself(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path, "acme", {"acme.py": ""}, entry_point="acme:register", requires="numpy>=2"
    )
    view = view_of(tmp_path)
    assert view.distribution("acme", "1.0.0") == Distribution(
        name="acme",
        version="1.0",
        requires=("numpy>=2",),
        entry_points=(EntryPoint(group="patches", name="acme", value="acme:register"),),
        location=str(wheel),
    )
    wheel.unlink()
    assert isinstance(view.distribution("acme", "1.0"), Distribution)
    with pytest.raises(KeyError):
        view.distribution("acme", "2.0")
    with pytest.raises(KeyError):
        view.distribution("other", "1.0")


def test_wheels_that_cannot_be_used(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "acme", {"acme.py": ""})
    renamed = wheel.rename(tmp_path / "acme-2.0-py3-none-any.whl")
    empty(tmp_path, "torn-1.0-py3-none-any.whl")
    (tmp_path / "gone-1.0-py3-none-any.whl").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe-1.0-py3-none-any.whl")
    house = Wheelhouse([str(tmp_path)])
    view = WheelhouseView(house, X86)
    for name, version in (("acme", "2.0"), ("torn", "1.0"), ("gone", "1.0"), ("pipe", "1.0")):
        broken = view.distribution(name, version)
        assert isinstance(broken, BrokenDistribution)
        assert (broken.name, broken.error.code) == (name, "wheel-malformed")
        assert broken.location == broken.error.where
        assert broken is view.distribution(name, version)
    assert house.broken == ()
    assert view.distribution("acme", "2.0").location == str(renamed)


def test_the_newest_version_comes_first(tmp_path: Path) -> None:
    versions = ("1.9", "1.10", "1.10rc1", "1.10.post1", "1!0.1", "1.10+cpu", "1.0.dev3")
    empty(tmp_path, *(f"acme-{version}-py3-none-any.whl" for version in versions))
    assert list(view_of(tmp_path).releases("acme")) == [
        "1!0.1",
        "1.10.post1",
        "1.10+cpu",
        "1.10",
        "1.10rc1",
        "1.9",
        "1.0.dev3",
    ]
    assert view_of(tmp_path).releases("absent") == ()


def test_two_spellings_of_a_version_are_one_release(tmp_path: Path) -> None:
    make_wheel(tmp_path, "acme", {}, version="1.0")
    better = make_wheel(tmp_path, "acme", {}, version="1.0.0", tag="cp311-cp311-linux_x86_64")
    view = view_of(tmp_path)
    assert view.releases("acme") == ("1.0.0",)
    assert view_of(tmp_path, JETSON).releases("acme") == ("1.0",)
    for version in ("1", "1.0", "v1.0.0.0"):
        assert view.distribution("acme", version).location == str(better)
    assert len(Wheelhouse([str(tmp_path)]).wheels_of("acme", "1")) == 2


def best_of(directory: Path, *names: str, environment: TargetEnvironment = X86) -> str:
    empty(directory, *names)
    wheel = view_of(directory, environment).wheel("a", "1.0")
    return "" if wheel is None else wheel.file_name


@pytest.mark.parametrize(
    ("names", "best"),
    [
        (["a-1.0-py3-none-any.whl", "a-1.0-cp311-cp311-linux_x86_64.whl"], 1),
        (["a-1.0-cp311-abi3-linux_x86_64.whl", "a-1.0-cp38-abi3-linux_x86_64.whl"], 0),
        (
            [
                "a-1.0-cp311-cp311-manylinux_2_17_x86_64.whl",
                "a-1.0-cp311-cp311-manylinux_2_5_x86_64.manylinux_2_28_x86_64.whl",
            ],
            1,
        ),
        (["a-1.0-9-py3-none-any.whl", "a-1.0-10-py3-none-any.whl", "a-1.0-py3-none-any.whl"], 1),
        (["a-1.0-1a-py3-none-any.whl", "a-1.0-1-py3-none-any.whl"], 0),
        (["a-1.0-7-py3-none-any.whl", "a-1.0-cp311-none-any.whl"], 1),
        (["a-1.0-py3-none-any.whl", "A-1.0-py3-none-any.whl"], 1),
        (["a-1.0-CP311-none-any.whl", "a-1.0-py3-none-any.whl"], 0),
    ],
)
def test_the_best_wheel_of_a_version(tmp_path: Path, names: list[str], best: int) -> None:
    assert best_of(tmp_path, *names) == names[best]


def test_wheels_that_do_not_fit_the_target(tmp_path: Path) -> None:
    names = (
        "a-1.0-cp310-cp310-manylinux_2_28_aarch64.whl",
        "a-1.0-cp310-cp310-manylinux_2_35_aarch64.whl",
        "a-1.0-cp311-cp311-manylinux_2_28_x86_64.whl",
        "a-2.0-cp311-cp311-win_amd64.whl",
    )
    assert best_of(tmp_path, *names, environment=JETSON) == names[0]
    view = view_of(tmp_path, JETSON)
    assert view.names() == ("a",)
    assert view.releases("a") == ("1.0",)
    assert view.unfitting("a") == {names[1]: "1.0", names[2]: "1.0", names[3]: "2.0"}
    assert view.unfitting("b") == {}
    with pytest.raises(KeyError):
        view.distribution("a", "2.0")
    assert view.chosen({"a": "2.0"}).find("a") is None


def test_a_view_speaks_for_its_target(tmp_path: Path) -> None:
    empty(tmp_path, "a-1.0-py3-none-any.whl")
    view = view_of(tmp_path, JETSON)
    assert view.marker_environment()["python_version"] == "3.10"
    assert view.marker_environment() == view.chosen({}).marker_environment() == JETSON.markers


NAMES = st.lists(
    st.tuples(
        st.sampled_from(["a", "A", "b_c", "b.c"]),
        st.sampled_from(["1.0", "1.0.0", "2.0", "2.0rc1"]),
        st.sampled_from(["", "-1", "-2x"]),
        st.sampled_from(["py3-none-any", "py2.py3-none-any", "cp311-cp311-win_amd64"]),
    ).map(lambda parts: f"{parts[0]}-{parts[1]}{parts[2]}-{parts[3]}.whl"),
    min_size=1,
    unique=True,
)


@given(names=NAMES, data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_order_of_a_directory_never_matters(
    names: list[str], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("house")
    empty(directory, *names)
    real = os.scandir

    class Shuffled:
        def __init__(self, path: str) -> None:
            with real(path) as entries:
                self._entries = data.draw(st.permutations(sorted(entries, key=lambda e: e.name)))

        def __enter__(self) -> Iterator[os.DirEntry[str]]:
            return iter(self._entries)

        def __exit__(self, *_: object) -> None:
            pass

    plain = view_of(directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", Shuffled)
        turned = view_of(directory)
    for name in plain.names():
        assert turned.releases(name) == plain.releases(name)
        assert turned.unfitting(name) == plain.unfitting(name)
        for version in plain.releases(name):
            assert turned.wheel(name, version) == plain.wheel(name, version)


def test_real_wheels_for_this_machine_and_another(wheelhouse: Path) -> None:
    view = view_of(wheelhouse)
    assert view.releases("markupsafe") == ("3.0.4",)
    assert view.unfitting("markupsafe") == {}
    found = view.distribution("click", "8.5.1")
    assert isinstance(found, Distribution)
    assert (found.name, found.version, found.requires_python) == ("click", "8.5.1", ">=3.10")
    assert view_of(wheelhouse, JETSON).releases("markupsafe") == ()
