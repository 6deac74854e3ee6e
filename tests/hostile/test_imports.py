"""What attackers add, change and put in the way of imports, at each level of integrity.

`refused`: the start or the import fails, and the exit code says so. `harmless`: everything
goes on with what was locked. `evil`: something else than what was locked ran, or was read.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import marshal
import shutil
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.attacked import (
    EVIL,
    EXTENSION,
    LIBRARIES,
    SLOW,
    Attacked,
    attacked,
    make_attackable,
)
from tests.support.device import Device
from tests.support.snapshots import Snapshot

Levels = tuple[str, str, str]
LEVELS = ("metadata", "imports", "full")

NEVER: Levels = ("harmless", "harmless", "harmless")
PROVED: Levels = ("evil", "harmless", "harmless")
FOUND_BEFORE: Levels = ("refused", "harmless", "harmless")
"""What the check of the plugins' own modules sees at `metadata`, too."""
CHANGED: Levels = ("evil", "refused", "refused")


@dataclass(frozen=True, kw_only=True, slots=True)
class Attack:
    """What is done to the machine, and what becomes of it at each level.

    `do` may return environment variables; `probes` are those of the program, by default all but
    the slow ones.
    """

    do: Callable[[Attacked], Mapping[str, str] | None]
    expected: Levels
    probes: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    needs_libraries: bool = field(default=False)


def stray(path: str, content: str | bytes = EVIL) -> Callable[[Attacked], None]:
    def do(machine: Attacked) -> None:
        machine.write(path, content)

    return do


def on_path(*paths: str) -> Callable[[Attacked], Mapping[str, str]]:
    def do(machine: Attacked) -> Mapping[str, str]:
        return {"PYTHONPATH": str(machine.elsewhere(*paths))}

    return do


def beside_program(path: str) -> Callable[[Attacked], None]:
    def do(machine: Attacked) -> None:
        machine.write(machine.device.directory / path)

    return do


def change(path: str, content: str | bytes = EVIL) -> Callable[[Attacked], None]:
    def do(machine: Attacked) -> None:
        assert (machine.site / path).exists()
        machine.write(path, content)

    return do


def remove(path: str) -> Callable[[Attacked], None]:
    return lambda machine: (machine.site / path).unlink()


def first_lines(text: str) -> Callable[[Attacked], None]:
    """Let the program do something first."""

    def do(machine: Attacked) -> None:
        machine.program.write_text(
            f"import os, sys\nsite = {str(machine.site)!r}\n"
            f"elsewhere = {str(machine.elsewhere('dep/__init__.py', 'dep/late.py'))!r}\n"
            f"{text}\n{machine.program.read_text()}"
        )

    return do


def forged_bytecode(path: str, flags: int) -> Callable[[Attacked], None]:
    """Put bytecode of other code beside a source, valid by its time and size or unchecked."""

    def do(machine: Attacked) -> None:
        source = machine.site / path
        status = source.stat()
        head = importlib.util.MAGIC_NUMBER + struct.pack("<I", flags)
        stamp = (
            importlib.util.source_hash(source.read_bytes())
            if flags
            else struct.pack("<II", int(status.st_mtime) & 0xFFFFFFFF, status.st_size)
        )
        cached = Path(importlib.util.cache_from_source(str(source)))
        machine.write(cached, head + stamp + marshal.dumps(compile(EVIL, str(source), "exec")))

    return do


def edited_bytecode(machine: Attacked) -> None:
    content = (machine.site / "secret.pyc").read_bytes()
    machine.write("secret.pyc", content.replace(b"secret", b"tecret"))


def caught_failure(machine: Attacked) -> None:
    change("dep/core.py")(machine)
    first_lines("try:\n    import dep.core\nexcept Exception:\n    pass")(machine)


def pycache_module(package: str) -> Callable[[Attacked], None]:
    """Let the program import a module out of a package's cache of bytecode."""

    def do(machine: Attacked) -> None:
        machine.write(f"{package}/__pycache__/impl.py")
        program = machine.program.read_text()
        name = f"{package}.__pycache__.impl"
        machine.program.write_text(
            program.replace("PROBES = {", f'PROBES = {{"cached": name_of("{name}"),')
        )

    return do


def forged_prefix(machine: Attacked) -> Mapping[str, str]:
    """Let the interpreter look for bytecode in a directory that somebody else has filled."""
    prefix = machine.device.directory.parent / "prefix"
    forged_bytecode("dep/core.py", 1)(machine)
    made = machine.site / "dep" / "__pycache__"
    place = prefix / str(machine.site).lstrip("/") / "dep"
    place.mkdir(parents=True)
    for path in made.iterdir():
        path.rename(place / path.name.replace(".pyc", ".pyc"))
    for path in list(place.iterdir()):
        path.rename(place / f"core.{path.name.partition('.')[2]}")
    return {"PYTHONPYCACHEPREFIX": str(prefix)}


def linked_file(machine: Attacked) -> None:
    evil = machine.elsewhere("core.py") / "core.py"
    (machine.site / "dep/core.py").unlink()
    (machine.site / "dep/core.py").symlink_to(evil)


def linked_directory(machine: Attacked) -> None:
    evil = machine.elsewhere("dep/__init__.py", "dep/core.py", "dep/late.py") / "dep"
    shutil.rmtree(machine.site / "dep")
    (machine.site / "dep").symlink_to(evil)


def linked_stray(machine: Attacked) -> None:
    evil = machine.elsewhere("_speedups/__init__.py") / "_speedups"
    (machine.site / "dep" / "_speedups").symlink_to(evil)


def linked_site(machine: Attacked) -> Mapping[str, str]:
    """Name the site directory by a link, before its own name."""
    machine.write("dep/_speedups.py")
    alias = machine.device.directory.parent / "alias"
    alias.symlink_to(machine.site)
    return {"PYTHONPATH": str(alias)}


def zip_on_path(machine: Attacked) -> Mapping[str, str]:
    archive = machine.device.directory.parent / "evil.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in ("dep/__init__.py", "dep/core.py", "dep/late.py", "depmod.py", "nsp.py"):
            file.writestr(path, EVIL)
    return {"PYTHONPATH": str(archive)}


def false_record(path: str, dist_info: str) -> Callable[[Attacked], None]:
    """Change a file, and make the RECORD say that it is right."""

    def do(machine: Attacked) -> None:
        content = machine.write(path).read_bytes()
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record = machine.site / dist_info / "RECORD"
        record.write_text(
            "".join(
                f"{path},sha256={digest},{len(content)}\n" if line.startswith(f"{path},") else line
                for line in record.read_text().splitlines(keepends=True)
            )
        )

    return do


def claiming_record(machine: Attacked) -> None:
    """Install a distribution whose RECORD claims a file in a locked package."""
    machine.write("dep/_speedups.py")
    machine.write("nsp/one/__init__.py")
    info = "claimant-1.0.dist-info"
    machine.write(f"{info}/METADATA", "Metadata-Version: 2.1\nName: claimant\nVersion: 1.0\n")
    machine.write(
        f"{info}/RECORD", f"dep/_speedups.py,,\nnsp/one/__init__.py,,\n{info}/METADATA,,\n"
    )


def extended_record(machine: Attacked) -> None:
    """Add a row to a locked distribution's own RECORD."""
    machine.write("dep/_speedups.py")
    with (machine.site / "dep-1.0.dist-info" / "RECORD").open("a") as record:
        record.write("dep/_speedups.py,,\n")


def roundabout_record(machine: Attacked) -> None:
    """Name a stray file by a path that leaves the site directory and comes back."""
    machine.write("dep/_speedups.py")
    with (machine.site / "dep-1.0.dist-info" / "RECORD").open("a") as record:
        record.write("../site-packages/dep/_speedups.py,,\n")


def installed_free(machine: Attacked) -> None:
    info = "free-1.0.dist-info"
    machine.write("free.py")
    machine.write(f"{info}/METADATA", "Metadata-Version: 2.1\nName: free\nVersion: 1.0\n")
    machine.write(f"{info}/RECORD", f"free.py,,\n{info}/METADATA,,\n")


def free_editable(machine: Attacked) -> None:
    """Install a finder by a `.pth`, as an editable install does."""
    machine.write(
        "__editable___free_finder.py",
        "import sys\nfrom importlib.util import spec_from_file_location\n"
        "class Finder:\n"
        "    @classmethod\n"
        "    def find_spec(cls, name, path=None, target=None):\n"
        "        if name == 'free':\n"
        f"            return spec_from_file_location(name, {str(machine.elsewhere('free.py'))!r} "
        "+ '/free.py')\n"
        "def install():\n    sys.meta_path.append(Finder)\n",
    )
    machine.write("__editable__.free.pth", "import __editable___free_finder as f; f.install()")


def library_content(extra: bytes) -> bytes:
    return LIBRARIES[0].read_bytes() + extra if LIBRARIES else b""


ATTACKS: dict[str, Attack] = {
    # Beside what is locked: files that a search through directories finds.
    "a source in a plugin": Attack(do=stray("victim/_speedups.py"), expected=PROVED),
    "an extension in a plugin": Attack(do=stray(f"victim/_speedups{EXTENSION}"), expected=NEVER),
    "a package in a plugin": Attack(do=stray("victim/_speedups/__init__.py"), expected=PROVED),
    "a namespace in a plugin": Attack(do=stray("victim/_speedups/x.py"), expected=NEVER),
    "old bytecode in a plugin": Attack(
        do=stray("victim/_speedups.pyc", b"no bytecode"), expected=NEVER
    ),
    "a source in a requirement": Attack(do=stray("dep/_speedups.py"), expected=PROVED),
    "a package in a requirement": Attack(do=stray("dep/_speedups/__init__.py"), expected=PROVED),
    "a namespace in a requirement": Attack(do=stray("dep/_speedups/inner.py"), expected=PROVED),
    "a link to a package in a requirement": Attack(do=linked_stray, expected=PROVED),
    "a source in a directory of data": Attack(
        do=stray("dep/data/__init__.py"), expected=NEVER, probes=("resource", "data")
    ),
    # Before what is locked, in the same directory.
    "a package before a plugin's module": Attack(
        do=stray("victim/helper/__init__.py"), expected=PROVED
    ),
    "a package before the entry point": Attack(
        do=stray("victim/plug/__init__.py"), expected=FOUND_BEFORE
    ),
    "an extension before the entry point": Attack(
        do=stray(f"victim/plug{EXTENSION}"), expected=FOUND_BEFORE
    ),
    "a package before a module": Attack(do=stray("dep/core/__init__.py"), expected=PROVED),
    "an extension before a module": Attack(do=stray(f"dep/core{EXTENSION}"), expected=PROVED),
    "an extension before an `__init__`": Attack(
        do=stray(f"dep/__init__{EXTENSION}"), expected=PROVED
    ),
    "a package before a top-level module": Attack(do=stray("depmod/__init__.py"), expected=PROVED),
    "a module beside a namespace": Attack(do=stray("nsp.py"), expected=PROVED),
    "an `__init__` in a namespace": Attack(do=stray("nsp/__init__.py"), expected=PROVED),
    "an `__init__` deep in a namespace": Attack(do=stray("nsp/inner/__init__.py"), expected=PROVED),
    "a package before a namespace's module": Attack(
        do=stray("nsp/one/__init__.py"), expected=PROVED
    ),
    "a source beside bytecode that is locked": Attack(do=stray("secret.py"), expected=PROVED),
    "a module in a package that imports itself": Attack(
        do=stray("cvlike/cvlike/__init__.py"), expected=PROVED
    ),
    # Bytecode.
    "bytecode with equal time and size": Attack(
        do=forged_bytecode("dep/core.py", 0), expected=PROVED
    ),
    "bytecode that is never checked": Attack(do=forged_bytecode("dep/core.py", 1), expected=PROVED),
    "bytecode of a plugin": Attack(do=forged_bytecode("victim/helper.py", 1), expected=PROVED),
    "bytecode as a module of a plugin": Attack(
        do=pycache_module("victim"), expected=("evil", "harmless", "harmless"), probes=("cached",)
    ),
    "bytecode as a module of a namespace": Attack(
        do=pycache_module("nsp"), expected=("evil", "harmless", "harmless"), probes=("cached",)
    ),
    "bytecode under another prefix": Attack(do=forged_prefix, expected=PROVED),
    # Before what is locked, elsewhere on the path.
    "a plugin's package on PYTHONPATH": Attack(
        do=on_path("victim/__init__.py", "victim/plug.py"), expected=FOUND_BEFORE
    ),
    "a requirement's package on PYTHONPATH": Attack(
        do=on_path("dep/__init__.py", "dep/core.py", "dep/late.py"), expected=PROVED
    ),
    "a requirement's module on PYTHONPATH": Attack(do=on_path("depmod.py"), expected=PROVED),
    "a module for a namespace on PYTHONPATH": Attack(do=on_path("nsp.py"), expected=PROVED),
    "a package for a namespace on PYTHONPATH": Attack(
        do=on_path("nsp/__init__.py", "nsp/one.py", "nsp/inner/two.py"), expected=PROVED
    ),
    "a portion of a namespace on PYTHONPATH": Attack(
        do=on_path("nsp/one.py", "nsp/inner/two.py"), expected=PROVED
    ),
    "a standard module on PYTHONPATH": Attack(do=on_path("colorsys.py"), expected=PROVED),
    "a directory called lib-dynload on PYTHONPATH": Attack(
        do=lambda machine: {
            "PYTHONPATH": str(machine.elsewhere("lib-dynload/colorsys.py") / "lib-dynload")
        },
        expected=PROVED,
    ),
    "a module of another system on PYTHONPATH": Attack(
        do=on_path("_winapi.py", "msvcrt.py"), expected=PROVED, probes=("early",)
    ),
    "an archive on PYTHONPATH": Attack(do=zip_on_path, expected=PROVED),
    "a link to the site directory on PYTHONPATH": Attack(do=linked_site, expected=PROVED),
    "a package beside the program": Attack(do=beside_program("dep/__init__.py"), expected=PROVED),
    "a module beside the program": Attack(do=beside_program("depmod.py"), expected=PROVED),
    "a standard module beside the program": Attack(
        do=beside_program("colorsys.py"), expected=PROVED
    ),
    "a namespace's name beside the program": Attack(do=beside_program("nsp.py"), expected=PROVED),
    "a reloader's name beside the program": Attack(do=beside_program("cvlike.py"), expected=PROVED),
    "a module of another system beside the program": Attack(
        do=beside_program("_winapi.py"), expected=PROVED, probes=("early",)
    ),
    "a path put first by the program": Attack(
        do=first_lines("sys.path.insert(0, elsewhere)"), expected=PROVED
    ),
    "a search that starts again": Attack(
        do=first_lines(
            "import importlib\nsys.path.insert(0, elsewhere)\nimportlib.invalidate_caches()\n"
            "sys.path_importer_cache.clear()"
        ),
        expected=PROVED,
    ),
    # Changed.
    "a plugin's module": Attack(do=change("victim/helper.py"), expected=CHANGED),
    "the entry point's module": Attack(do=change("victim/plug.py"), expected=CHANGED),
    "a requirement's module": Attack(do=change("dep/core.py"), expected=CHANGED),
    "a requirement's `__init__`": Attack(do=change("dep/__init__.py"), expected=CHANGED),
    "a namespace's module": Attack(do=change("nsp/inner/two.py"), expected=CHANGED),
    "bytecode without a source": Attack(do=edited_bytecode, expected=CHANGED),
    "a file of data": Attack(
        do=change("dep/data/info.txt", "forged info"), expected=CHANGED, probes=("data",)
    ),
    "a file of data that is a resource": Attack(
        do=change("dep/data/info.txt", "forged info"), expected=CHANGED, probes=("resource",)
    ),
    "a module that is gone": Attack(
        do=remove("dep/core.py"), expected=("evil", "refused", "refused")
    ),
    "a module that is a link": Attack(do=linked_file, expected=CHANGED),
    "a package that is a link": Attack(do=linked_directory, expected=CHANGED),
    "a file of twins": Attack(do=change("twin/shared.py"), expected=CHANGED),
    "a file of twins that is the other's": Attack(
        do=change("twin/shared.py", "NAME = 'a'\n"), expected=NEVER
    ),
    "an extension module": Attack(
        do=change(f"natpack/_statistics{EXTENSION}", library_content(b"evil")),
        expected=("harmless", "refused", "refused"),
        needs_libraries=True,
    ),
    "a library that `ctypes` loads": Attack(
        do=change("natpack.libs/libhelper.so", library_content(b"evil")),
        expected=("harmless", "refused", "refused"),
        probes=("library",),
        needs_libraries=True,
    ),
    "a library beside an extension module": Attack(
        do=change("natpack.libs/libother.so.1", library_content(b"evil")),
        expected=("harmless", "refused", "refused"),
        probes=("native",),
        needs_libraries=True,
    ),
    "a file that nothing loads": Attack(
        do=change("dep/late.py"), expected=("harmless", "harmless", "refused"), probes=("core",)
    ),
    "a module between verification and import": Attack(
        do=first_lines("open(site + '/dep/late.py', 'w').write('NAME = \"evil\"')"),
        expected=CHANGED,
    ),
    "a plugin's module between verification and import": Attack(
        do=first_lines(
            "open(site + '/victim/new.py', 'w').write('')\n"
            "open(site + '/victim/helper.py', 'w').write('NAME = \"evil\"')\n"
            "import importlib, victim.helper\nsys.modules.pop('victim.helper')\n"
            "importlib.import_module('victim.helper')"
        ),
        expected=("harmless", "refused", "refused"),
    ),
    "a module before it is loaded again": Attack(
        do=first_lines(
            "import dep.core, importlib\n"
            "open(site + '/dep/core.py', 'w').write('NAME = \"evil\"')\nimportlib.reload(dep.core)"
        ),
        expected=CHANGED,
    ),
    "a module whose failure is caught": Attack(
        do=caught_failure, expected=CHANGED, probes=("late",)
    ),
    # RECORDs.
    "a RECORD that says a change is right": Attack(
        do=false_record("dep/core.py", "dep-1.0.dist-info"), expected=CHANGED
    ),
    "a plugin's RECORD that says a change is right": Attack(
        do=false_record("victim/helper.py", "victim-1.0.dist-info"), expected=CHANGED
    ),
    "a RECORD that claims what isn't its own": Attack(do=claiming_record, expected=PROVED),
    "a RECORD with one more row": Attack(do=extended_record, expected=CHANGED),
    "a RECORD with a roundabout row": Attack(
        do=roundabout_record, expected=("evil", "harmless", "refused")
    ),
    "a RECORD that is gone": Attack(
        do=remove("dep-1.0.dist-info/RECORD"), expected=("harmless", "refused", "refused")
    ),
    # What nobody locked, under names that nobody locked.
    "an unlocked distribution": Attack(do=installed_free, expected=("evil", "evil", "evil")),
    "an unlocked distribution, closed": Attack(
        do=installed_free, expected=("refused", "harmless", "harmless"), options=("--closed",)
    ),
    "an unlocked finder, closed": Attack(
        do=free_editable, expected=("refused", "harmless", "harmless"), options=("--closed",)
    ),
}
CASES = [(name, level) for name in ATTACKS for level in LEVELS]


@pytest.fixture(scope="module")
def attackable(tmp_path_factory: pytest.TempPathFactory, wheelhouse: Path) -> Device:
    return make_attackable(tmp_path_factory.mktemp("attackable") / "machine", wheelhouse)


@pytest.fixture(scope="module")
def snapshot(attackable: Device, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return Snapshot(attackable.environment.root, tmp_path_factory.mktemp("attackable") / "copy")


@pytest.fixture
def machine(attackable: Device, snapshot: Snapshot, tmp_path: Path) -> Iterator[Attacked]:
    yield attacked(attackable, tmp_path / "machine")
    snapshot.restore()


@pytest.mark.parametrize("level", LEVELS)
def test_a_machine_that_nobody_attacked(level: str, machine: Attacked) -> None:
    assert machine.run(level) == "harmless"
    assert machine.run(level) == "harmless"
    assert machine.run(level, *SLOW) == "harmless"


@pytest.mark.parametrize(("name", "level"), CASES)
def test_an_attack(name: str, level: str, machine: Attacked) -> None:
    attack = ATTACKS[name]
    if attack.needs_libraries and not LIBRARIES:
        pytest.skip("this interpreter has its own extension modules built in")
    env = attack.do(machine)
    outcome = machine.run(level, *attack.probes, env=env, words=attack.options)
    assert outcome == attack.expected[LEVELS.index(level)]
