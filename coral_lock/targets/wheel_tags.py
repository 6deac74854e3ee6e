"""Whether a wheel fits a target, told without `packaging`: devices ask it at every start."""

from __future__ import annotations

from coral_lock.targets.platform import (
    BEFORE_2014,
    GLIBC,
    LEAST_GLIBC,
    LINUX,
    parse_platform,
    runs,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.targets.model import Target
    from coral_lock.targets.platform import Platform

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


def _oldest_glibc(machine: str) -> tuple[int, int]:
    """Return the oldest glibc for which there are tags (PEP 513, PEP 599)."""
    return (2, 5) if machine in BEFORE_2014 else LEAST_GLIBC


def _fits_platform(tag: str, target: Target, own: Platform) -> bool:
    if tag in (target.platform, _ANY):
        return tag != _ANY
    platform = parse_platform(tag)
    if tag.startswith("linux_"):
        return own.system == LINUX and platform.machine == own.machine
    if platform.libc == GLIBC and platform.version < _oldest_glibc(platform.machine):
        return False
    is_older_mac = platform.machine in _OLDER_MACOS and platform.version <= own.version
    return runs(own, platform) or (platform.system == own.system and is_older_mac)
