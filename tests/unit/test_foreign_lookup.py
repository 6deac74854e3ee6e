"""Finding modules by directories alone: as the interpreter's own path finder does."""

from __future__ import annotations

import shutil
import tempfile
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_lock.installed.import_lookup import (
    DirectoryFinder,
    FoundModule,
    import_chain,
    module_origin,
)

MODULES = ("alpha", "beta")
FILES = st.lists(
    st.builds(
        lambda directory, parents, stem, ending: "/".join((directory, *parents, stem + ending)),
        st.sampled_from(["first", "second"]),
        st.lists(st.sampled_from(MODULES), max_size=1),
        st.sampled_from([*MODULES, "__init__", "module"]),
        st.sampled_from([".py", ".pyc", EXTENSION_SUFFIXES[0], ".foreign.so", ".pyd", ".txt", ""]),
    ),
    max_size=8,
)


@given(FILES)
def test_it_finds_what_the_path_finder_finds(files: list[str]) -> None:
    with tempfile.TemporaryDirectory() as root:
        path = [str(Path(root, name)) for name in ("first", "second", "absent")]
        for file in files:
            place = Path(root, file)
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                if not place.exists():
                    place.write_bytes(b"")
            except (FileExistsError, NotADirectoryError):
                continue
        finder = DirectoryFinder(path, (), EXTENSION_SUFFIXES)
        for name in (*MODULES, "module"):
            spec = PathFinder.find_spec(name, path)
            found = finder.find(name, None)
            if spec is None:
                assert found is None
                continue
            assert found is not None
            assert found.origin == (spec.origin if spec.has_location else None)
            assert (found.search is None) is (spec.submodule_search_locations is None)
            if found.search is not None and found.origin is not None:
                assert list(found.search) == list(spec.submodule_search_locations or ())


@pytest.fixture
def path(tmp_path: Path) -> list[str]:
    for file in (
        "first/shared/one/__init__.py",
        "second/shared/two/__init__.py",
        "second/shared/two/native.cpython-39-aarch64-linux-gnu.so",
        "second/plain.py",
        "second/plain.abi3.so",
        "second/odd.a.b.c.so",
    ):
        place = tmp_path / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"")
    return [str(tmp_path / "first"), str(tmp_path / "second")]


def test_extension_modules_of_any_interpreter(path: list[str]) -> None:
    find = DirectoryFinder(path).find
    native = "shared.two.native"
    assert module_origin(native, find=find) == (
        f"{path[1]}/shared/two/native.cpython-39-aarch64-linux-gnu.so"
    )
    assert module_origin("plain", find=find) == f"{path[1]}/plain.abi3.so"
    assert module_origin("odd", find=find) is None
    own = DirectoryFinder(path, (), (".cpython-311-x86_64-linux-gnu.so",)).find
    assert module_origin(native, find=own) is None
    assert module_origin("plain", find=own) == f"{path[1]}/plain.py"


def test_the_portions_of_a_namespace(path: list[str]) -> None:
    find = DirectoryFinder(path).find
    portions = (f"{path[0]}/shared", f"{path[1]}/shared")
    assert import_chain("shared.one.missing", find=find) == (
        FoundModule(name="shared", origin=None, search=portions),
        FoundModule(
            name="shared.one",
            origin=f"{path[0]}/shared/one/__init__.py",
            search=(f"{path[0]}/shared/one",),
        ),
    )


def test_built_in_modules_go_first(path: list[str]) -> None:
    find = DirectoryFinder(path, ("plain",)).find
    assert import_chain("plain", find=find) == (
        FoundModule(name="plain", origin=None, search=None),
    )


def test_what_this_process_has_imported_doesn_t_count(tmp_path: Path) -> None:
    (tmp_path / "pytest.py").write_bytes(b"")
    assert module_origin("pytest", find=DirectoryFinder([str(tmp_path)]).find) == str(
        tmp_path / "pytest.py"
    )
    assert module_origin("hypothesis", find=DirectoryFinder([str(tmp_path)]).find) is None


def test_a_package_may_be_an_extension_module(path: list[str]) -> None:
    package = Path(path[0], "compiled")
    package.mkdir()
    origin = package / "__init__.cpython-39-aarch64-linux-gnu.so"
    origin.write_bytes(b"")
    assert import_chain("compiled", find=DirectoryFinder(path).find) == (
        FoundModule(name="compiled", origin=str(origin), search=(str(package),)),
    )


def test_a_module_that_is_gone(path: list[str]) -> None:
    find = DirectoryFinder(path).find
    assert module_origin("plain", find=find) is not None
    shutil.rmtree(path[1])
    assert module_origin("plain", find=find) is None
