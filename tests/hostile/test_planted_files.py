"""Files planted where a locked distribution has its own: `verify` reports that they are there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import pytest

from tests.conftest import MakeDevice
from tests.support.attacked import EXTENSION
from tests.support.device import Device, make_device
from tests.support.downloads import fetch_wheels
from tests.support.hostile_plugins import EVIL, install, make_library_with, make_plugin_with
from tests.support.snapshots import Snapshot

TAG = sys.implementation.cache_tag
TIMESTAMP = MAGIC_NUMBER + bytes(12)
UNCHECKED = MAGIC_NUMBER + b"\1\0\0\0" + bytes(8)
CHECKED = MAGIC_NUMBER + b"\3\0\0\0" + bytes(8)
NATIVE = f"85cae5__mypyc{EXTENSION}"
FILES = {
    "3dutils.py": "",
    "4pkg/__init__.py": "",
    "my-mod.py": "",
    NATIVE: "",
    "helper.pth": "below\n",
    "below/deepmod.py": "",
    "below/deeppkg/__init__.py": "",
    "flat/info.txt": "",
    "data/sub/mid/info.txt": "",
    "space/one/two/__init__.py": "",
    "helper.libs/libz.so.1": "",
    "pack/__init__.py": "",
    "pack/mod.py": "",
    "pack/info/info.txt": "",
}


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, wheelhouse: Path) -> tuple[Device, Snapshot]:
    """A machine with a plugin and what it requires, locked, and what it is before anything else."""
    directory = tmp_path_factory.mktemp("planted")
    made = make_device(directory, wheelhouse)
    wheels = directory / "wheels"
    wheels.mkdir()
    plugin = make_plugin_with(wheels, {}, requires="helper")
    install(made, plugin, make_library_with(wheels, FILES))
    made.write("runtime.yaml", "distributions: {helper: {accept: [pth-file]}}\n")
    made.locked()
    return made, Snapshot(made.environment.root, directory / "copy")


@pytest.fixture
def machine(locked: tuple[Device, Snapshot]) -> Iterator[Device]:
    made, snapshot = locked
    yield made
    assert snapshot.restore()


def plant(directory: Path, path: str, content: bytes = EVIL.encode()) -> None:
    place = directory / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)


def replaced(module: str) -> str:
    return (
        "error[module-shadowed]: another file than the locked one would be imported as "
        f"`{module}`\n"
    )


def run_before(module: str) -> str:
    return f"error[module-shadowed]: importing `{module}` would run a file that nobody locked\n"


def stray(path: str) -> str:
    return f"error[unlocked-file]: unexpected file in a directory of `helper`: `{path}`\n"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("3dutils/__init__.py", replaced("3dutils")),
        ("my-mod/__init__.py", replaced("my-mod")),
        ("85cae5__mypyc/__init__.py", replaced("85cae5__mypyc")),
        ("deepmod.py", replaced("deepmod")),
        ("deepmod/__init__.py", replaced("deepmod")),
        ("deeppkg.py", replaced("deeppkg")),
        ("flat.py", replaced("flat")),
        (f"flat{EXTENSION}", replaced("flat")),
        ("flat/__init__.py", stray("flat/__init__.py")),
        ("data/__init__.py", run_before("data.sub.mid")),
        ("data/__init__.pyc", run_before("data.sub.mid")),
        (f"data/__init__{EXTENSION}", run_before("data.sub.mid")),
        ("data/sub/__init__.py", run_before("data.sub.mid")),
        ("data/sub.py", run_before("data.sub.mid")),
        ("data.py", run_before("data.sub.mid")),
        ("space.py", run_before("space.one.two")),
        ("space/one.py", run_before("space.one.two")),
        ("space/one/__init__.py", run_before("space.one.two")),
        ("space/one/__init__.pyc", run_before("space.one.two")),
        ("helper.libs/libstdc++.so.6", stray("helper.libs/libstdc++.so.6")),
        (
            "helper.libs/glibc-hwcaps/x86-64-v2/libz.so.1",
            stray("helper.libs/glibc-hwcaps/x86-64-v2/libz.so.1"),
        ),
        ("helper.libs/tls/x86_64/libz.so.1", stray("helper.libs/tls/x86_64/libz.so.1")),
        ("helper-1.0.dist-info/top_level.txt", stray("helper-1.0.dist-info/top_level.txt")),
        ("helper-1.0.dist-info/sub/RECORD", stray("helper-1.0.dist-info/sub/RECORD")),
        ("pack/__pycache__/mod.pyc", stray("pack/__pycache__/mod.pyc")),
        ("pack/__pycache__/mod.func-1.py311.nbi", stray("pack/__pycache__/mod.func-1.py311.nbi")),
        ("__pycache__/helper.pyc", stray("__pycache__/helper.pyc")),
    ],
)
def test_what_is_planted_in_the_site_directory(machine: Device, path: str, said: str) -> None:
    plant(machine.site_packages, path)
    assert said in machine.coral("verify").require(3).stderr
    assert "EVIL" not in machine.coral("init", "--locked").require(0).stderr


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("3dutils.py", "3dutils"),
        ("4pkg/__init__.py", "4pkg"),
        ("4pkg.py", "4pkg"),
        ("my-mod.py", "my-mod"),
        (NATIVE, "85cae5__mypyc"),
        ("deepmod.py", "deepmod"),
        ("deeppkg/__init__.py", "deeppkg"),
        ("flat/__init__.py", "flat"),
        ("flat.py", "flat"),
    ],
)
def test_what_is_planted_earlier_on_the_path(
    machine: Device, tmp_path: Path, path: str, module: str
) -> None:
    plant(tmp_path, path)
    verified = machine.coral("verify", env={"PYTHONPATH": str(tmp_path)}).require(3)
    assert replaced(module) in verified.stderr


@pytest.mark.parametrize(
    "path", [f"pack/__pycache__/mod.{TAG}.pyc", f"__pycache__/helper.{TAG}.pyc"]
)
def test_bytecode_that_python_compares_with_nothing(machine: Device, path: str) -> None:
    for content in (TIMESTAMP, CHECKED):
        plant(machine.site_packages, path, content)
        assert "unlocked-file" not in machine.coral("verify").require(0).stderr
    plant(machine.site_packages, path, UNCHECKED)
    assert stray(path) in machine.coral("verify").require(3).stderr
    assert stray(path)[:-1] in machine.coral("lock").require(1).stderr


@pytest.mark.parametrize("directory", ["pack", "pack/info", "helper-1.0.dist-info"])
def test_bytecode_without_a_source_is_what_an_update_left(machine: Device, directory: str) -> None:
    path = f"{directory}/__pycache__/gone.{TAG}.opt-2.pyc"
    plant(machine.site_packages, path, TIMESTAMP)
    assert f"warning[unlocked-file]: bytecode of no locked source is in `helper`: `{path}`\n" in (
        machine.coral("verify").require(0).stderr
    )
    machine.coral("lock").require(0)


def test_what_may_be_there(machine: Device, tmp_path: Path) -> None:
    """What installers add and Python writes, and what others have beside it or behind it."""
    library = make_library_with(tmp_path, {"space/other/__init__.py": ""}, name="other")
    install(machine, library)
    for path in (
        "4pkg.py",
        "space/one/two.py",
        f"pack/__pycache__/mod.{TAG}.opt-1.pyc",
        f"pack/__pycache__/mod.{TAG}-pytest-8.3.3.pyc",
        f"pack/__pycache__/mod.{TAG}.pyc.140737",
        f"__pycache__/other.{TAG}.pyc",
        "__pycache__/other.func-1.py311.nbi",
        "helper-1.0.dist-info/provenance_url.json",
        "helper-1.0.dist-info/RECORD.jws",
    ):
        content = b"{}" if path.endswith("json") else TIMESTAMP
        plant(machine.site_packages, path, content)
    behind = machine.environment.root / "behind"
    plant(behind, "flat/__init__.py")
    plant(machine.site_packages, "zz.pth", f"{behind}\n".encode())
    said = machine.coral("verify").require(0).stderr
    assert "unlocked-file" not in said
    assert "module-shadowed" not in said


@pytest.mark.parametrize(
    "path",
    [
        "helper.libs/glibc-hwcaps/x86-64-v2/libz.so.1",
        "helper-1.0.dist-info/sub/info.txt",
        "pack/info/deep/info.txt",
        "pack/other.py",
    ],
)
def test_a_claim_excuses_nothing(machine: Device, tmp_path: Path, path: str) -> None:
    install(machine, make_library_with(tmp_path, {}, name="claimant"))
    plant(machine.site_packages, path)
    with open(machine.site_packages / "claimant-1.0.dist-info" / "RECORD", "a") as record:
        record.write(f"{path},,\n")
    assert (
        "error[unlocked-file]: `claimant`, which isn't verified, has a file in a directory of "
        f"`helper`: `{path}`\n"
    ) in machine.coral("verify").require(3).stderr


def test_a_package_that_two_distributions_share(device: MakeDevice, wheelhouse: Path) -> None:
    """`backports` is a regular package that extends its path, and some are in its folder."""
    machine = device()
    names = ("backports.tarfile==1.2.0", "backports.strenum==1.2.8")
    install(machine, *fetch_wheels(names, wheelhouse.parent / "real-wheels"))
    first = ("--set", "program.requires=backports-tarfile")
    path = "backports/strenum/__init__.py"
    place = machine.site_packages / path
    refused = machine.coral("lock", *first).require(1)
    assert (
        "error[unlocked-file]: `backports-strenum`, which isn't locked, has a file in a directory "
        f"of `backports-tarfile`: `{path}` (and 2 more)\n"
        f"  where: {place}\n"
        "  hint: add `backports-strenum` to `program.requires` in the descriptor, or uninstall it\n"
    ) in refused.stderr
    both = ("--set", "program.requires=backports-tarfile, backports-strenum")
    machine.locked(*both)
    machine.coral("verify").require(0)
    program = machine.write("program.py", "import backports.tarfile, backports.strenum\n")
    machine.coral("run", "--locked", *both, "--", program).require(0)
    hidden = machine.directory / "hidden"
    (machine.site_packages / "backports" / "strenum").rename(hidden)
    machine.locked(*first)
    hidden.rename(machine.site_packages / "backports" / "strenum")
    assert (
        "error[unlocked-file]: `backports-strenum`, which isn't verified, has a file in a "
        f"directory of `backports-tarfile`: `{path}`\n"
        f"  where: {path}\n"
        "  hint: add `backports-strenum` to `program.requires` in the descriptor, and re-lock with "
        "`coral-runtime lock`; or uninstall it\n"
    ) in machine.coral("verify").require(3).stderr
