"""A target, the Python and the platform that a lock is made for, and which wheels fit it."""

from __future__ import annotations

import sys

from coral_lock.record import Record

MAX_TARGETS = 100
"""How many targets a descriptor or a lock may have."""

MAX_TAGS = 1000
"""How many tags a compressed tag set may expand to; those of real wheels have a few dozen."""

_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")
_TAG_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")


class Target(Record):
    """A kind of machine.

    Args:
        name: what the descriptor and the lock call it.
        python: the version of CPython, `3.10` or `3.10.13`.
        platform: a platform tag (PEP 425, PEP 600, PEP 656), e.g. `manylinux_2_31_aarch64`.

    Raises:
        ValueError: one of them isn't well-formed.
    """

    name: str
    python: str
    platform: str

    def _check(self) -> None:
        for text, is_right, rule in (
            (self.name, is_target_name, "name consists of a-z, 0-9, `.`, `_` and `-`"),
            (self.python, is_python_version, "Python is written like `3.10`"),
            (self.platform, is_platform_tag, "platform is a tag like `manylinux_2_31_aarch64`"),
        ):
            if not is_right(text):
                raise ValueError(f"a target's {rule}, not `{text}`")

    @property
    def language_version(self) -> str:
        """The version of the language, `3.10`."""
        return ".".join(self.python.split(".")[:2])

    def __str__(self) -> str:
        return f"{self.name} (Python {self.python}, {self.platform})"


def is_target_name(text: str) -> bool:
    """Whether `text` can name a target: lower-case letters, digits, and `.`, `_`, `-` within."""
    return 0 < len(text) <= 100 and _NAME_CHARACTERS.issuperset(text) and _is_word(text)


def is_python_version(text: str) -> bool:
    """Whether `text` is a version of Python 3, `3.10` or `3.10.13`."""
    parts = text.split(".")
    return parts[0] == "3" and len(parts) in (2, 3) and all(map(_is_number, parts))


def is_platform_tag(text: str) -> bool:
    """Whether `text` is written like a single platform tag, `linux_aarch64`."""
    return (
        0 < len(text) <= 100
        and _TAG_CHARACTERS.issuperset(text)
        and _is_word(text)
        and text != "any"
    )


def _is_word(text: str) -> bool:
    return text[0].isalnum() and text[-1].isalnum()


def _is_number(text: str) -> bool:
    return len(text) < 3 and text.isascii() and text.isdigit() and text == str(int(text))


def tag_count(compressed: str) -> int:
    """Return how many tags a compressed tag set (PEP 425) expands to, 2 for `py2.py3-none-any`."""
    count = 1
    for part in compressed.split("-"):
        count *= part.count(".") + 1
    return count


LINUX, MACOS, WINDOWS, OTHER = "linux", "macos", "windows", "other"
GLIBC, MUSL = "glibc", "musl"

_OLD_MANYLINUX = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_BEFORE_2014 = frozenset({"x86_64", "i686"})
"""The architectures for which there are profiles older than `manylinux2014` (PEP 599)."""

_LEAST_GLIBC = (2, 17)
"""The glibc of `linux_<architecture>`: that of `manylinux2014`."""

ANY_VERSION = (sys.maxsize, 0)
"""The version of a machine that isn't known, and that is taken to be new enough."""

_ALSO_RUNS = {
    (MACOS, "arm64"): ("universal2",),
    (MACOS, "x86_64"): ("universal2",),
    (LINUX, "armv8l"): ("armv7l",),
}
"""What else a machine of an architecture runs: both of macOS's in one file, and 32-bit ARM."""


class Platform(Record):
    """An operating system and an architecture.

    Args:
        system: `linux`, `macos`, `windows` or `other`.
        machine: the architecture as wheel tags write it, e.g. `aarch64`; for an `other`
            system the whole tag.
        libc: `glibc` or `musl` on Linux, else empty.
        version: that of the libc or of macOS: at least for a target, exactly for a machine.
    """

    system: str
    machine: str
    libc: str = ""
    version: tuple[int, int] = (0, 0)

    def __str__(self) -> str:
        version = ".".join(map(str, self.version))
        if self.system == LINUX:
            libc = self.libc if self.version == ANY_VERSION else f"{self.libc} {version}"
            return f"Linux on {self.machine}, {libc}"
        if self.system == MACOS:
            return f"macOS {version} on {self.machine}"
        return f"Windows on {self.machine}" if self.system == WINDOWS else self.machine


def parse_platform(tag: str) -> Platform:
    """Return the platform that a platform tag names.

    The tags are those of PEP 425, PEP 600 (`manylinux_2_31_aarch64` and the older names)
    and PEP 656 (`musllinux_1_2_aarch64`). A tag of another kind matches only itself.
    """
    family, _, rest = tag.partition("_")
    if family == "linux" and rest:
        return Platform(system=LINUX, machine=rest, libc=GLIBC, version=_LEAST_GLIBC)
    if family in _OLD_MANYLINUX and rest:
        return Platform(system=LINUX, machine=rest, libc=GLIBC, version=_OLD_MANYLINUX[family])
    if family == "win" and rest:
        return Platform(system=WINDOWS, machine=rest)
    if tag == "win32":
        return Platform(system=WINDOWS, machine="x86")
    kinds = {"manylinux": (LINUX, GLIBC), "musllinux": (LINUX, MUSL), "macosx": (MACOS, "")}
    major, _, rest = rest.partition("_")
    minor, _, machine = rest.partition("_")
    if family in kinds and _is_number(major) and _is_number(minor) and machine:
        system, libc = kinds[family]
        return Platform(system=system, machine=machine, libc=libc, version=(int(major), int(minor)))
    return Platform(system=OTHER, machine=tag)


def runs(machine: Platform, target: Platform) -> bool:
    """Whether a machine is one of a target's kind: new enough, of an architecture that fits."""
    return (
        (machine.system, machine.libc) == (target.system, target.libc)
        and target.machine
        in (machine.machine, *_ALSO_RUNS.get((machine.system, machine.machine), ()))
        and machine.version >= target.version
    )


def tag_of(platform: Platform) -> str | None:
    """Return the platform tag of the best wheels for a machine; None where it isn't known."""
    major, minor = platform.version
    if platform.system == WINDOWS:
        return "win32" if platform.machine == "x86" else f"win_{platform.machine}"
    if platform.system == OTHER or platform.version in (ANY_VERSION, (0, 0)):
        return None
    family = {GLIBC: "manylinux", MUSL: "musllinux"}.get(platform.libc, "macosx")
    return f"{family}_{major}_{minor}_{platform.machine}"


_ANY = "any"
_NO_ABI = "none"
_STABLE_ABI = "abi3"
_FIRST_STABLE = 2
"""The first minor version of CPython 3 with the stable ABI (PEP 384)."""

_OLDER_MACOS = frozenset({"fat", "fat3", "fat64", "intel", "universal"})
"""What wheels for several architectures of older Macs are called; they may fit any."""


def fits(tags: str, target: Target) -> bool:
    """Whether a wheel with a compressed tag set (PEP 425) can be installed on a target.

    Of CPython's own tags those of the same version fit, with the stable ABI (`abi3`) also
    those of older ones, and `py3` and `py3N` up to the target's version where no ABI is
    named. Of platform tags those fit that a machine of the target's platform runs
    (PEP 600, PEP 656), and `any`.
    """
    pythons, abis, platforms = (part.split(".") for part in f"{tags}--".split("-")[:3])
    minor = int(target.language_version.partition(".")[2])
    own = parse_platform(target.platform)
    has_platform = any(_fits_platform(platform, target, own) for platform in platforms)
    return any(
        _fits_python(python, abi, minor, has_platform, _ANY in platforms)
        for python in pythons
        for abi in abis
    )


def _fits_python(python: str, abi: str, minor: int, has_platform: bool, has_any: bool) -> bool:
    version = _minor_of(python)
    is_same = python == f"cp3{minor}"
    if abi == _NO_ABI:
        is_older = python == "py3" or (python.startswith("py3") and 0 <= version <= minor)
        return (has_platform or has_any) and (is_same or is_older)
    if abi == _STABLE_ABI:
        is_older = python.startswith("cp3") and _FIRST_STABLE <= version <= minor
        return has_platform and is_older
    return has_platform and is_same and abi == python


def _minor_of(python: str) -> int:
    """Return 11 for `cp311` and `py311`, -1 for what isn't of that form."""
    digits = python[3:]
    is_number = digits.isascii() and digits.isdigit() and len(digits) < 4
    return int(digits) if is_number and str(int(digits)) == digits else -1


def oldest_glibc(machine: str) -> tuple[int, int]:
    """Return the oldest glibc for which there are tags (PEP 513, PEP 599)."""
    return (2, 5) if machine in _BEFORE_2014 else _LEAST_GLIBC


def _fits_platform(tag: str, target: Target, own: Platform) -> bool:
    if tag in (target.platform, _ANY):
        return tag != _ANY
    platform = parse_platform(tag)
    if tag.startswith("linux_"):
        return own.system == LINUX and platform.machine == own.machine
    if platform.libc == GLIBC and platform.version < oldest_glibc(platform.machine):
        return False
    is_older_mac = platform.machine in _OLDER_MACOS and platform.version <= own.version
    return runs(own, platform) or (platform.system == own.system and is_older_mac)
