"""What wheel tags and markers are evaluated for: a target's machine, or this interpreter's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from packaging.markers import default_environment
from packaging.tags import compatible_tags, cpython_tags, mac_platforms, sys_tags

from coral_lock.targets.model import (
    GLIBC,
    LINUX,
    MACOS,
    MUSL,
    WINDOWS,
    Platform,
    Target,
    oldest_glibc,
    parse_platform,
)

_OLD_NAMES = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
_NARROWER = {"armv8l": ("armv7l",)}
"""What a 32-bit interpreter on a 64-bit ARM kernel also accepts."""

_FIELDS = {
    LINUX: {"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux"},
    MACOS: {"os_name": "posix", "sys_platform": "darwin", "platform_system": "Darwin"},
    WINDOWS: {"os_name": "nt", "sys_platform": "win32", "platform_system": "Windows"},
}
_WINDOWS_MACHINES = {"amd64": "AMD64", "arm64": "ARM64", "x86": "x86"}


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetEnvironment:
    """What requirements and wheels are chosen for.

    Args:
        markers: the marker environment (PEP 508), without `extra`.
        tags: the wheel tags that are supported, `cp311-cp311-linux_x86_64`, the best first.
    """

    markers: Mapping[str, str]
    tags: tuple[str, ...]


def this_markers() -> dict[str, str]:
    """Return the marker environment (PEP 508) of the interpreter that runs this."""
    return {key: str(value) for key, value in default_environment().items()}


def this_environment() -> TargetEnvironment:
    """Return the environment of the interpreter that runs this."""
    return TargetEnvironment(markers=this_markers(), tags=tuple(map(str, sys_tags())))


def environment_of(target: Target) -> TargetEnvironment:
    """Return the environment of a target, wherever this runs.

    Its interpreter is CPython. Of a version like `3.10` the first release counts, and what
    isn't known of a machine (`platform_release`, `platform_version`) is empty.
    """
    version = tuple(int(part) for part in target.language_version.split("."))
    platforms = tuple(_platform_tags(target.platform))
    interpreter = f"cp{version[0]}{version[1]}"
    tags = (
        *cpython_tags(version, (interpreter,), platforms),
        *compatible_tags(version, interpreter, platforms),
    )
    return TargetEnvironment(markers=_markers(target), tags=tuple(map(str, tags)))


def _markers(target: Target) -> dict[str, str]:
    platform = parse_platform(target.platform)
    full_version = target.python if target.python.count(".") == 2 else f"{target.python}.0"
    machine = platform.machine
    return {
        "implementation_name": "cpython",
        "implementation_version": full_version,
        "os_name": "",
        "platform_machine": _WINDOWS_MACHINES.get(machine, machine)
        if platform.system == WINDOWS
        else machine,
        "platform_release": "",
        "platform_version": "",
        "platform_system": "",
        "platform_python_implementation": "CPython",
        "python_full_version": full_version,
        "python_version": target.language_version,
        "sys_platform": "",
        **_FIELDS.get(platform.system, {}),
    }


def _platform_tags(tag: str) -> Iterator[str]:
    """Yield the platform tags that a machine of this platform supports, the best first."""
    platform = parse_platform(tag)
    if platform.system == MACOS:
        for supported in mac_platforms(platform.version, platform.machine):
            # Older versions of `packaging` call `fat32` what distutils called `fat3`.
            yield supported.replace("_fat32", "_fat3")
    elif platform.system == LINUX:
        machines = (platform.machine, *_NARROWER.get(platform.machine, ()))
        for machine in machines:
            yield f"linux_{machine}"
        for machine in machines:
            yield from _linux_tags(platform, machine)
    else:
        yield tag


def _linux_tags(platform: Platform, machine: str) -> Iterator[str]:
    major, newest = platform.version
    if platform.libc == MUSL:
        for minor in range(newest, -1, -1):
            yield f"musllinux_{major}_{minor}_{machine}"
    elif platform.libc == GLIBC:
        for minor in range(newest, oldest_glibc(machine)[1] - 1, -1):
            yield f"manylinux_{major}_{minor}_{machine}"
            if (major, minor) in _OLD_NAMES:
                yield f"{_OLD_NAMES[major, minor]}_{machine}"
