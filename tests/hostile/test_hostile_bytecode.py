"""What is in a `__pycache__` and isn't bytecode of a listed source: no digest covers it."""

from __future__ import annotations

from pathlib import Path

import pytest

from coral_lock.installed.digest import foreign_bytecode
from tests.conftest import MakeDevice
from tests.support.device import Device
from tests.support.hostile_plugins import EVIL, install, make_plugin_with
from tests.support.in_process import WorkingDirectory

FOREIGN = [
    "acme/__pycache__/impl.pyc",
    "acme/__pycache__/impl.py",
    "acme/__pycache__/impl.cpython-311.pyc",
    "acme/__pycache__/__init__.pyc",
    "acme/__pycache__/impl.so",
    "acme/__pycache__/deep/__init__.cpython-311.pyc",
    "acme/__pycache__/__pycache__/__init__.cpython-311.pyc",
    "DATA/purelib/acme/__pycache__/impl.cpython-311.pyc",
    "DATA/scripts/__pycache__/impl.cpython-311.pyc",
    "__pycache__/impl.cpython-311.pyc",
]
HONEST = [
    "acme/__pycache__/__init__.cpython-311.pyc",
    "acme/__pycache__/__init__.cpython-311.opt-1.pyc",
    "acme/__pycache__/odd.name.cpython-312.pyc",
    "__pycache__/top.cpython-311.pyc",
]


@pytest.fixture
def machine(device: MakeDevice) -> Device:
    return device()


@pytest.fixture
def work(tmp_path: Path) -> WorkingDirectory:
    (tmp_path / "house").mkdir()
    return WorkingDirectory(directory=tmp_path)


@pytest.mark.parametrize("path", FOREIGN)
def test_a_wheel_with_foreign_bytecode_is_refused(work: WorkingDirectory, path: str) -> None:
    house = work.directory / "house"
    make_plugin_with(house, {})
    work.coral("lock", "--wheels", "house").require(0)
    wheel = make_plugin_with(house, {"acme/.py": "", path: EVIL})
    member = path.replace("DATA/", "acme-1.0.data/")
    what = f"the member `{member}` is in `__pycache__` and isn't the bytecode of a source in the "
    refused = work.coral("lock", "--wheels", "house", "--upgrade", "--no-cache").require(1)
    assert f"error[wheel-malformed]: {what}wheel\n" in refused.stderr
    assert what in work.coral("verify", "--wheels", "house").require(3).stderr
    checked = work.coral("plugins", "check", wheel).require(1)
    assert f"error[wheel-malformed]: {what}wheel" in checked.stdout


@pytest.mark.parametrize("path", HONEST)
def test_a_wheel_with_the_bytecode_of_its_sources_is_not(work: WorkingDirectory, path: str) -> None:
    files = {"acme/odd.name.py": "", "top.py": "", path: EVIL}
    make_plugin_with(work.directory / "house", files)
    work.coral("lock", "--wheels", "house").require(0)


def test_a_record_that_lists_foreign_bytecode_is_refused(machine: Device, tmp_path: Path) -> None:
    install(machine, make_plugin_with(tmp_path, {}))
    machine.locked_once(of="the plugin")
    (machine.site_packages / "acme/__pycache__").mkdir(exist_ok=True)
    (machine.site_packages / "acme/__pycache__/impl.pyc").write_text(EVIL)
    with open(machine.site_packages / "acme-1.0.dist-info" / "RECORD", "a") as record:
        record.write("acme/__pycache__/impl.pyc,,\n")
    what = (
        "RECORD lists `acme/__pycache__/impl.pyc`, which is in `__pycache__` and isn't the "
        "bytecode of a listed source\n"
    )
    assert f"error[unusable-record]: {what}" in machine.coral("lock").require(1).stderr
    for words in (("verify",), ("init", "--locked")):
        refused = machine.coral(*words).require(3)
        assert f"error[unusable-record]: `acme`: {what}" in refused.stderr
    assert "error[false-record]: " + what.rstrip() in (
        machine.coral("plugins", "check", "acme").require(1).stdout
    )


@pytest.mark.parametrize("name", ["impl.pyc", "impl.py", "impl.pyc.cpython-311"])
def test_what_nobody_lists_is_a_stray(machine: Device, tmp_path: Path, name: str) -> None:
    install(machine, make_plugin_with(tmp_path, {}))
    machine.locked_once(of="the plugin")
    (machine.site_packages / "acme/__pycache__").mkdir(exist_ok=True)
    (machine.site_packages / "acme/__pycache__" / name).write_text(EVIL)
    assert (
        "error[unlocked-file]: unexpected file in a directory of `acme`: "
        f"`acme/__pycache__/{name}`\n"
    ) in machine.coral("verify").require(3).stderr
    program = machine.write("program.py", "import acme\nimport acme.__pycache__.impl\n")
    refused = machine.coral("run", "--locked", "--", program)
    assert "No module named 'acme.__pycache__'" in refused.stderr
    assert "EVIL" not in refused.stderr


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_bytecode_that_pip_lists_is_no_finding(
    machine: Device, tmp_path: Path, installer: str
) -> None:
    files = {"acme/sub/mod.py": "", "DATA/scripts/acme-tool.py": "#!python\n"}
    install(machine, make_plugin_with(tmp_path, files), installer=installer)
    machine.locked()
    machine.run("python", "-m", "compileall", "-q", machine.site_packages / "acme").require(0)
    machine.coral("verify").require(0)
    machine.coral("init", "--locked").require(0)


def test_only_what_python_would_write_is_bytecode() -> None:
    sources = ["acme.py", "acme/.py", "acme/one.py", "acme/one.two.py"]
    own = [
        "__pycache__/acme.cpython-311.pyc",
        "acme/__pycache__/one.cpython-311.opt-2.pyc",
        "acme/__pycache__/one.two.cpython-311.pyc",
    ]
    foreign = [
        "__pycache__",
        "__pycache__/acme.pyc",
        "acme/__pycache__",
        "acme/__pycache__/.cpython-311.pyc",
        "acme/__pycache__/one..pyc",
        "acme/__pycache__/one.opt-1.pyc",
        "acme/__pycache__/three.cpython-311.pyc",
        "acme/__pycache__/sub/one.cpython-311.pyc",
    ]
    innocent = ["acme/__pycache__.py", "acme/my__pycache__/one.pyc"]
    assert foreign_bytecode([*sources, *own, *innocent, *foreign]) == foreign
