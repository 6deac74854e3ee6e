"""Bytecode that isn't that of the source."""

from __future__ import annotations

import importlib.util
import marshal
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.attacks.attack import PROVED, Attack
from tests.support.attacked import EVIL, Attacked


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


ROWS = {
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
}
