"""Wheels that take other people's names, replace what runs, or run before anything is checked."""

from __future__ import annotations

import json
import os
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from coral_lock.names import OWN_MODULES, normalized_name
from tests.conftest import MakeDevice
from tests.support.device import Device
from tests.support.handmade_wheels import make_wheel
from tests.support.hostile_plugins import EVIL, install, make_library_with, make_plugin_with
from tests.support.in_process import WorkingDirectory
from tests.support.wheelhouse import REPOSITORY

PLUGIN, LIBRARY = "acme", "helper"
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
SITE = Path("lib", f"python{VERSION}", "site-packages")

Case = tuple[Mapping[str, str], str, str]

ALWAYS: dict[str, Case] = {
    "our package": (
        {"coral_lock/evil.py": EVIL},
        "replaces-runtime",
        "would replace coral-lock itself: `coral_lock`",
    ),
    "our command as an entry point": (
        {"INFO/entry_points.txt": "[console_scripts]\ncoral-runtime = x:y\n"},
        "replaces-runtime",
        "would replace the command `coral-runtime`: `scripts/coral-runtime`",
    ),
    "our command as a GUI script": (
        {"INFO/entry_points.txt": "[gui_scripts]\n Coral-Runtime=x:y\n"},
        "replaces-runtime",
        "would replace the command `coral-runtime`: `scripts/Coral-Runtime`",
    ),
    "our command as a script": (
        {"DATA/scripts/coral-runtime": "#!python\n"},
        "replaces-runtime",
        "would replace the command `coral-runtime`: `scripts/coral-runtime`",
    ),
    "our command as data": (
        {"DATA/data/bin/coral-runtime": "#!python\n"},
        "replaces-runtime",
        "would replace the command `coral-runtime`: `scripts/coral-runtime`",
    ),
    "the interpreter": (
        {"DATA/data/bin/python3": "#!/bin/sh\n", "DATA/scripts/python": "#!/bin/sh\n"},
        "replaces-runtime",
        "would replace the interpreter or its configuration: `scripts/python`, `scripts/python3`",
    ),
    "the interpreter as an entry point": (
        {"INFO/entry_points.txt": "[console_scripts]\npython3.11 = x:y\n"},
        "replaces-runtime",
        "would replace the interpreter or its configuration: `scripts/python3.11`",
    ),
    "pyvenv.cfg": (
        {"DATA/data/pyvenv.cfg": "home = /tmp\n"},
        "replaces-runtime",
        "would replace the interpreter or its configuration: `data/pyvenv.cfg`",
    ),
    "pyvenv.cfg beside the interpreter": (
        {"DATA/scripts/pyvenv.cfg": "home = /tmp\n"},
        "replaces-runtime",
        "would replace the interpreter or its configuration: `scripts/pyvenv.cfg`",
    ),
    "the interpreter's library": (
        {"DATA/data/lib/libpython3.11.so.1.0": "\x7fELF"},
        "replaces-runtime",
        "would replace the interpreter or its configuration: `data/lib/libpython3.11.so.1.0`",
    ),
    "a module of the standard library beside the commands": (
        {"DATA/scripts/hashlib.py": EVIL, "DATA/scripts/__future__.py": EVIL},
        "shadowing-script",
        "puts `scripts/__future__.py`, `scripts/hashlib.py` beside the commands, which would "
        "import it instead of the module of that name",
    ),
    "our package beside the commands": (
        {"DATA/scripts/coral_lock.py": EVIL},
        "shadowing-script",
        "puts `scripts/coral_lock.py` beside the commands, which would import it instead of the "
        "module of that name",
    ),
    "a dependency of ours beside the commands": (
        {"DATA/data/bin/click/__init__.py": EVIL},
        "shadowing-script",
        "puts `scripts/click/__init__.py` beside the commands, which would import it instead of "
        "the module of that name",
    ),
    "an extension module beside the commands": (
        {"DATA/scripts/_hashlib.cpython-311-x86_64-linux-gnu.so": EVIL},
        "shadowing-script",
        "puts `scripts/_hashlib.cpython-311-x86_64-linux-gnu.so` beside the commands, which would "
        "import it instead of the module of that name",
    ),
    "an entry point called like a module": (
        {"INFO/entry_points.txt": "[console_scripts]\njson.py = x:y\n"},
        "shadowing-script",
        "puts `scripts/json.py` beside the commands, which would import it instead of the module "
        "of that name",
    ),
}
"""What is refused from whomever it comes."""

ACCEPTABLE: dict[str, Case] = {
    "a .pth file": (
        {"evil.pth": "import os\n"},
        "pth-file",
        "ships `evil.pth`, which runs at every start of Python, locked or not",
    ),
    "a .pth file of the data directory": (
        {"DATA/purelib/evil.pth": "import os\n"},
        "pth-file",
        "ships `evil.pth`, which runs at every start of Python, locked or not",
    ),
    "a .start file": (
        {"evil.start": "os:getcwd\n"},
        "pth-file",
        "ships `evil.start`, which runs at every start of Python, locked or not",
    ),
    "sitecustomize": (
        {"sitecustomize.py": EVIL},
        "pth-file",
        "ships `sitecustomize.py`, which runs at every start of Python, locked or not",
    ),
    "usercustomize as a package": (
        {"usercustomize/__init__.py": EVIL},
        "pth-file",
        "ships `usercustomize`, which runs at every start of Python, locked or not",
    ),
    "modules of the standard library": (
        {"json/__init__.py": EVIL, "hashlib.py": EVIL, "_winapi.pyc": EVIL, "msvcrt.so": EVIL},
        "foreign-file",
        "ships modules whose names belong to the standard library: `_winapi.pyc`, `hashlib.py`, "
        "`json`, `msvcrt.so`",
    ),
    "a dependency of ours": (
        {"click/__init__.py": EVIL},
        "foreign-file",
        "ships modules whose names belong to `click`: `click`",
    ),
    "modules of a dependency that is called otherwise": (
        {"yaml.py": EVIL, "_yaml/__init__.py": EVIL},
        "foreign-file",
        "ships modules whose names belong to `pyyaml`: `_yaml`, `yaml.py`",
    ),
    "the core host": (
        {"coral_inference/runtime/evil.py": EVIL},
        "foreign-file",
        "ships modules whose names belong to `coral-inference`: `coral_inference`",
    ),
    "the inference host": (
        {"inference/evil.py": EVIL},
        "foreign-file",
        "ships modules whose names belong to `inference`: `inference`",
    ),
}
"""What is refused from a plugin's distribution and told of a library's, unless it is accepted."""

ALL = {**ALWAYS, **ACCEPTABLE}
INNOCENT = {
    "DATA/scripts/jp.py": "#!python\n",
    "DATA/scripts/json": "#!python\n",
    "DATA/scripts/python-acme": "#!python\n",
    "DATA/scripts/python3-acme": "#!python\n",
    "DATA/data/share/pyvenv.cfg": "",
    "DATA/data/share/json.py": "",
    "DATA/headers/json.py": "",
    "acme_json.py": "",
    "yaml_tools/click.py": "",
    "click-stubs/__init__.pyi": "",
    "yaml.pyi": "",
    "acme/evil.pth": "",
    "acme/sitecustomize.py": "",
    "acme.libs/json.so": "",
}


SAFE = {
    "a module of the standard library beside the commands",
    "our package beside the commands",
    "a .pth file",
    "sitecustomize",
    "modules of the standard library",
}
"""What can be installed into a real environment without making an end of it."""


@pytest.fixture
def machine(device: MakeDevice) -> Device:
    return device()


@pytest.fixture
def work(tmp_path: Path) -> WorkingDirectory:
    (tmp_path / "house").mkdir()
    return WorkingDirectory(directory=tmp_path)


Make = Callable[[Path, Mapping[str, str]], tuple[Path, ...]]


def unpack(wheel: Path, root: Path) -> None:
    """Install a wheel into a file system as installers would, whatever it replaces there."""
    schemes = {"scripts": Path("bin"), "data": Path(), "purelib": SITE}
    with zipfile.ZipFile(wheel) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    info = next(name.partition("/")[0] for name in members if name.endswith(".dist-info/RECORD"))
    places = {}
    for name, content in members.items():
        top, _, rest = name.partition("/")
        scheme, _, path = rest.partition("/")
        places[schemes[scheme] / path if top.endswith(".data") else SITE / name] = content
    commands = members.get(f"{info}/entry_points.txt", b"").decode().partition("_scripts]")[2]
    for line in filter(None, commands.splitlines()):
        places[Path("bin", line.partition("=")[0].strip())] = b"#!/usr/bin/python\n"
    for place, content in places.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(content)
    rows = [f"{os.path.relpath(root / place, root / SITE)},,\n" for place in places]
    (root / SITE / info / "RECORD").write_text("".join(rows))


def plugin_with(directory: Path, files: Mapping[str, str]) -> tuple[Path, ...]:
    points = files.get("INFO/entry_points.txt")
    if points is not None:
        own = f"[coral_inference.patches]\nacme = acme:spec\n{points}"
        files = {**files, "INFO/entry_points.txt": own}
    return (make_plugin_with(directory, files),)


def library_with(directory: Path, files: Mapping[str, str]) -> tuple[Path, ...]:
    library = make_library_with(directory, files)
    return make_plugin_with(directory, {}, requires=LIBRARY), library


@pytest.mark.parametrize("name", ALL)
def test_a_plugin_s_wheel_is_refused(work: WorkingDirectory, name: str) -> None:
    files, code, summary = ALL[name]
    (wheel,) = plugin_with(work.directory / "house", files)
    refused = work.coral("lock", "--wheels", "house").require(1)
    assert f"error[{code}]: `acme` {summary}\n" in refused.stderr
    assert not work.lock_path.exists()
    checked = work.coral("plugins", "check", wheel).require(1)
    assert f"error[{code}]: `acme` {summary}\n" in checked.stdout


@pytest.mark.parametrize("name", ALL)
def test_a_library_s_wheel_is_refused_or_told_of(work: WorkingDirectory, name: str) -> None:
    files, code, summary = ALL[name]
    library_with(work.directory / "house", files)
    outcome = work.coral("lock", "--wheels", "house").require(1 if name in ALWAYS else 0)
    severity = "error" if name in ALWAYS else "warning"
    assert f"{severity}[{code}]: `helper` {summary}\n" in outcome.stderr


@pytest.mark.parametrize("name", ACCEPTABLE)
@pytest.mark.parametrize(("make", "owner"), [(plugin_with, PLUGIN), (library_with, LIBRARY)])
def test_the_descriptor_accepts_it(
    work: WorkingDirectory, name: str, make: Make, owner: str
) -> None:
    files, code, _ = ACCEPTABLE[name]
    make(work.directory / "house", files)
    work.write("accepting.yaml", f"distributions: {{{owner.upper()}: {{accept: [{code}]}}}}\n")
    words = ("-c", "accepting.yaml", "--wheels", "house")
    outcome = work.coral("lock", *words).require(0)
    assert code not in outcome.stderr
    entry = json.loads(work.lock_path.read_text())["distributions"][owner]
    assert entry["accepted"] == [code]
    work.coral("lock", *words, "--check").require(0)
    stale = work.coral("lock", "--wheels", "house", "--check")
    if owner == PLUGIN:
        assert f"error[{code}]: `acme` " in stale.require(1).stderr
    else:
        assert f"  - `{code}` of `helper` is no longer accepted\n" in stale.require(1).stdout


@pytest.mark.parametrize("name", ALWAYS)
def test_nothing_accepts_what_replaces_us(work: WorkingDirectory, name: str) -> None:
    files, code, _ = ALWAYS[name]
    plugin_with(work.directory / "house", files)
    accept = "--set=distributions.acme.accept=[foreign-file,pth-file]"
    refused = work.coral("lock", "--wheels", "house", accept).require(1)
    assert f"error[{code}]: `acme` " in refused.stderr
    wrong = work.coral("lock", "--wheels", "house", f"--set=distributions.acme.accept=[{code}]")
    assert wrong.require(2).stderr.startswith("error: `distributions.acme.accept[0]` has a wrong")


def test_other_names_are_nobody_s(work: WorkingDirectory) -> None:
    plugin_with(work.directory / "house", INNOCENT)
    assert work.coral("lock", "--wheels", "house").require(0).stderr == (
        "wrote coral.lock: 1 plugin, 1 distribution\n"
    )


def test_a_name_is_its_owner_s(work: WorkingDirectory) -> None:
    house = work.directory / "house"
    make_plugin_with(
        house, {}, requires="\nRequires-Dist: ".join(("click", "PyYAML", "coral-lock"))
    )
    make_wheel(house, "click", {"click/__init__.py": ""})
    make_wheel(house, "PyYAML", {"yaml/__init__.py": "", "_yaml/__init__.py": ""})
    make_wheel(
        house,
        "coral-lock",
        {
            "coral_lock/__init__.py": "",
            "coral_lock.pth": "import coral_lock\n",
            "coral_lock.start": "",
            "coral_lock-1.0.dist-info/entry_points.txt": "[console_scripts]\ncoral-runtime = x:y\n",
        },
    )
    assert work.coral("lock", "--wheels", "house").require(0).stderr == (
        "wrote coral.lock: 1 plugin, 4 distributions\n"
    )


def test_the_core_host_has_a_command_of_our_name(work: WorkingDirectory) -> None:
    house = work.directory / "house"
    make_plugin_with(house, {})
    points = "[console_scripts]\ncoral-runtime = coral_inference.cli.main:main\n"
    info = "coral_inference-0.0.4.dist-info/entry_points.txt"
    make_wheel(
        house, "coral-inference", {"coral_inference/__init__.py": "", info: points}, version="0.0.4"
    )
    assert work.coral("lock", "--wheels", "house").require(0).stderr == (
        "wrote coral.lock: 1 plugin, 2 distributions\n"
    )


def test_all_that_we_depend_on_is_guarded() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text()
    listed = text.partition("dependencies = [\n")[2].partition("]")[0]
    for extra in ("sbom", "sign"):
        listed += text.partition(f"\n{extra} = [")[2].partition("]")[0] + "\n"
    names = {
        normalized_name(line.strip().strip('",').split(">")[0]) for line in listed.splitlines()
    }
    assert names - {""} <= set(OWN_MODULES.values())


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("make", "owner"), [(plugin_with, PLUGIN), (library_with, LIBRARY)])
def test_an_image_has_it(work: WorkingDirectory, name: str, make: Make, owner: str) -> None:
    """A lock from before these findings, or from elsewhere, doesn't hide them."""
    files, code, summary = ALL[name]
    house = work.directory / "house"
    make(house, {})
    work.locked("--wheels", "house")
    root = work.directory / "root"
    for wheel in make(house, files):
        unpack(wheel, root)
    site = root / SITE
    words = ("--site-packages", site, "--target", f"python={VERSION},platform=linux_x86_64")
    severity = "error" if owner == PLUGIN or name in ALWAYS else "warning"
    found = f"{severity}[{code}]: `{owner}` {summary}\n"
    verified = work.coral("verify", *words)
    assert found in verified.stderr
    assert verified.code == 3
    locked = work.coral("lock", *words, f"--allow-changed-digest={owner}")
    assert found in locked.stderr
    assert locked.code == (1 if severity == "error" else 0)


@pytest.mark.parametrize("name", sorted({*ALL} & SAFE))
def test_a_start_is_refused(machine: Device, work: WorkingDirectory, name: str) -> None:
    files, code, summary = ALL[name]
    house = work.directory / "house"
    plugin_with(house, {})
    machine.write("coral.lock", work.locked("--wheels", "house"))
    install(machine, *plugin_with(house, files))
    for words in (("lock",), ("verify",), ("init", "--locked"), ("plugins", "check", "acme")):
        refused = machine.run("python", "-I", "-m", "coral_lock", *words)
        assert refused.code != 0
        assert f"error[{code}]: `acme` {summary}\n" in refused.stderr + refused.stdout
        if name != "sitecustomize":
            assert "EVIL" not in refused.stderr
