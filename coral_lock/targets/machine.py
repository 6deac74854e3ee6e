"""A machine or a target as somebody states it: this machine itself, or `--target`.

This machine is found without `platform` and `packaging`, which take long to import.
"""

from __future__ import annotations

import os
import sys

from coral_lock.canonical_json import quote
from coral_lock.errors import UsageError, shortened
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
    Target,
    is_platform_tag,
    is_python_version,
    is_target_name,
    parse_platform,
    runs,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

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
    return max(
        fitting,
        key=lambda target: (
            parse_platform(target.platform).version,
            target.python.count("."),
            target.name,
        ),
        default=None,
    )


_LINUX_NAMES = {
    "amd64": "x86_64",
    "x64": "x86_64",
    "arm64": "aarch64",
    "arm": "armv7l",
    "armhf": "armv7l",
    "armv7": "armv7l",
    "386": "i686",
    "i386": "i686",
    "x86": "i686",
    "ppc64el": "ppc64le",
}
"""What wheel tags for Linux call an architecture, by what containers and compilers call it."""

_ARCHITECTURES = frozenset({*_LINUX_NAMES.values(), "riscv64", "s390x"})
_OTHER_SYSTEMS = ("apple", "darwin", "mac", "osx", "win")
_LONGEST_TAG = 100


def likely_platform(text: str) -> str | None:
    """Return the tag for Linux that `text` may mean, or None.

    It understands what containers and compilers call a platform: `arm64`, `linux/arm64`,
    `aarch64-unknown-linux-gnu`.
    """
    lowered = text[:_LONGEST_TAG].lower().replace("x86_64", "amd64").replace("x86-64", "amd64")
    if any(system in lowered for system in _OTHER_SYSTEMS):
        return None
    words = "".join(letter if letter.isalnum() else " " for letter in lowered).split()
    for name in [_LINUX_NAMES.get(word, word) for word in words]:
        if name in _ARCHITECTURES:
            is_musl = "musl" in lowered or "alpine" in lowered
            return f"{'musllinux_1_2' if is_musl else 'manylinux_2_28'}_{name}"
    return None


_EXAMPLE = "python=3.11,platform=linux_aarch64"
_PARTS = {
    "python": (is_python_version, "a version of Python 3, like `3.11`"),
    "platform": (is_platform_tag, "a platform tag, like `linux_aarch64`"),
    "name": (
        is_target_name,
        "at most 100 lower-case letters and digits, with `.`, `_` and `-` between them",
    ),
}
_LONGEST_SHOWN = 60


def parse_target(text: str) -> Target | str:
    """Return the target that the value of `--target` describes, or the name that it is.

    Args:
        text: `python=3.11,platform=linux_aarch64[,name=NAME]`, the parts in any order; or
            a name alone. A target without a name is called `py3.11-linux_aarch64`.

    Raises:
        UsageError: it is neither.
    """
    shown = quote(shortened(text, _LONGEST_SHOWN))
    where = f"--target {shown[1:-1]}"
    if is_target_name(text):
        return text
    parts = [part.strip().partition("=") for part in text.split(",")]
    values = {key: value for key, _, value in parts}
    if len(values) < len(parts) or not values.keys() <= _PARTS.keys():
        raise UsageError(
            "this is neither a target nor the name of one",
            expected=f"`{_EXAMPLE}`, with `name=NAME` if wanted, or a name that the descriptor "
            "gives a target",
            found=shown,
            where=where,
        )
    values.setdefault("name", f"py{values.get('python')}-{values.get('platform')}")
    for key, (is_right, expected) in _PARTS.items():
        if key not in values:
            raise UsageError(f"`{key}` is missing", expected=expected, where=where)
        if not is_right(values[key]):
            likely = likely_platform(values[key]) if key == "platform" else None
            raise UsageError(
                f"`{key}` has a wrong value",
                expected=expected,
                found=quote(shortened(values[key], _LONGEST_SHOWN)),
                where=where,
                hint=f"did you mean `{likely}`?" if likely else None,
            )
    return Target(**values)
