"""Which machine this is, found without `platform` and `packaging`, and which target matches it."""

from __future__ import annotations

import os
import sys

from coral_lock.record import Record
from coral_lock.targets.model import (
    ANY_VERSION,
    GLIBC,
    LINUX,
    MACOS,
    MUSL,
    OTHER,
    WINDOWS,
    Platform,
    parse_platform,
    runs,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from coral_lock.targets.model import Target

_NARROWED = {"x86_64": "i686", "aarch64": "armv8l"}
"""What a 32-bit interpreter calls the architecture of a 64-bit kernel."""


class Machine(Record):
    """A machine: the full version of its Python, `3.11.7`, and its platform."""

    python: str
    platform: Platform

    @property
    def language_version(self) -> str:
        """The version of the language, `3.11`."""
        return ".".join(self.python.split(".")[:2])

    def __str__(self) -> str:
        return f"Python {self.python}, {self.platform}"


def this_machine() -> Machine:
    """Return what this process runs on."""
    python = ".".join(map(str, sys.version_info[:3]))
    return Machine(python=python, platform=_this_platform())


def machine_of(target: Target) -> Machine:
    """Return the minimal machine that a target describes."""
    return Machine(python=target.python, platform=parse_platform(target.platform))


def platform_of(
    system: str, machine: str, *, is_narrow: bool = False, libc: str = "", release: str = ""
) -> Platform:
    """Return the platform that an interpreter runs on, from what it says of itself.

    Args:
        system: `sys.platform`.
        machine: the architecture as the system calls it: `os.uname().machine`, on Windows
            the variable `PROCESSOR_ARCHITECTURE`.
        is_narrow: whether the interpreter is a 32-bit one.
        libc: the value of `confstr("CS_GNU_LIBC_VERSION")`, e.g. `glibc 2.36`. On Linux,
            one that isn't glibc is taken for musl, of a version that isn't known.
        release: the release of macOS, e.g. `14.4.1`.
    """
    if system == "win32":
        return Platform(system=WINDOWS, machine=machine.lower())
    if system == "darwin":
        version = _two_numbers(release) or (0, 0)
        return Platform(system=MACOS, machine=machine, version=version)
    if system != "linux":
        return Platform(system=OTHER, machine=f"{system}_{machine}".lower())
    architecture = _NARROWED.get(machine, machine) if is_narrow else machine
    name, _, stated = libc.partition(" ")
    glibc = _two_numbers(stated) if name == "glibc" else None
    return Platform(
        system=LINUX,
        machine=architecture,
        libc=GLIBC if glibc else MUSL,
        version=glibc or ANY_VERSION,
    )


def _two_numbers(text: str) -> tuple[int, int] | None:
    """Return the first two numbers of a version; None where they aren't numbers."""
    parts = (*text.split("."), "0")[:2]
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        return None
    return int(parts[0]), int(parts[1])


def _this_platform() -> Platform:
    if sys.platform == "win32":
        return platform_of(sys.platform, os.environ.get("PROCESSOR_ARCHITECTURE", ""))
    machine = os.uname().machine
    if sys.platform == "darwin":
        import platform

        return platform_of(sys.platform, machine, release=platform.mac_ver()[0])
    return platform_of(sys.platform, machine, is_narrow=sys.maxsize <= 1 << 32, libc=_libc())


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError, AttributeError):
        return ""


def matching_target(targets: Iterable[Target], machine: Machine) -> Target | None:
    """Return the target that a machine is: of those that fit the most demanding one.

    A target whose `python` has three numbers fits that release of Python alone.
    """
    fitting = [
        target
        for target in targets
        if target.python in (machine.python, machine.language_version)
        and runs(machine.platform, parse_platform(target.platform))
    ]
    fitting.sort(
        key=lambda target: (
            parse_platform(target.platform).version,
            target.python.count("."),
            target.name,
        )
    )
    return fitting[-1] if fitting else None
