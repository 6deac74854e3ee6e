"""A way to attack a locked machine, and what must become of it at each level of integrity.

`refused`: the start or the import fails, and the exit code says so. `harmless`: everything
goes on with what was locked. `evil`: something else than what was locked ran, or was read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.support.attacked import EVIL, Attacked

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
