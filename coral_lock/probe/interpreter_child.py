"""The program by which an interpreter tells about itself; it isn't imported by anything.

It runs isolated (`-I -S`), so that nothing that is installed for the interpreter runs, and
answers with one line of JSON behind a mark, which is its argument.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_CONFIGURATION = 1 << 16


def main() -> None:
    """Print the answer."""
    print(sys.argv[1] + json.dumps(_facts(), sort_keys=True), flush=True)


def _facts() -> Mapping[str, object]:
    import sysconfig
    from importlib.machinery import EXTENSION_SUFFIXES

    return {
        "version": sys.version_info[:3],
        "executable": sys.executable,
        "standard_library": list(sys.path),
        "site_directories": _site_directories(),
        "built_in_modules": list(sys.builtin_module_names),
        "extension_suffixes": EXTENSION_SUFFIXES,
        "is_free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "is_debug_build": hasattr(sys, "gettotalrefcount"),
        "markers": _markers(),
        **_platform(),
    }


def _site_directories() -> list[str]:
    """Return the directories that `site` would add, in its order, those of the user left out.

    In a virtual environment (PEP 405) they are the environment's, and those of the
    interpreter that it was made with where `pyvenv.cfg` says so. `site` doesn't run, so
    that the prefix has to be set here as it would be there.
    """
    import site

    base = [sys.base_prefix, sys.base_exec_prefix]
    prefixes = base
    executable_directory = os.path.dirname(os.path.abspath(sys.executable))
    environment = os.path.dirname(executable_directory)
    for directory in (executable_directory, environment):
        configuration = os.path.join(directory, "pyvenv.cfg")
        if os.path.isfile(configuration):
            sys.prefix = sys.exec_prefix = environment
            prefixes = [environment, *(base if _includes_system_site(configuration) else [])]
            break
    directories: list[str] = []
    for prefix in prefixes:
        for directory in site.getsitepackages([prefix]):
            if directory not in directories:
                directories.append(directory)
    return directories


def _includes_system_site(configuration: str) -> bool:
    """Whether a `pyvenv.cfg` lets the base interpreter's packages in; it does by default."""
    with open(configuration, encoding="utf-8", errors="replace") as file:
        text = file.read(_MAX_CONFIGURATION)
    value = "true"
    for line in text.splitlines():
        key, separator, stated = line.partition("=")
        if separator and key.strip().lower() == "include-system-site-packages":
            value = stated.strip().lower()
    return value == "true"


def _platform() -> Mapping[str, object]:
    """Return what a platform is told from, see `targets.machine.platform_of`."""
    import platform

    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError, AttributeError):
        libc = ""
    return {
        "system": sys.platform,
        "machine": platform.machine(),
        "is_narrow": sys.maxsize <= 1 << 32,
        "libc": libc,
        "release": platform.mac_ver()[0],
    }


def _markers() -> Mapping[str, str]:
    """Return the marker environment (PEP 508)."""
    import platform

    implementation = sys.implementation.version
    implementation_version = ".".join(map(str, implementation[:3]))
    if implementation.releaselevel != "final":
        implementation_version += f"{implementation.releaselevel[0]}{implementation.serial}"
    return {
        "implementation_name": sys.implementation.name,
        "implementation_version": implementation_version,
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        "python_full_version": platform.python_version(),
        "platform_python_implementation": platform.python_implementation(),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "sys_platform": sys.platform,
    }


if __name__ == "__main__":
    main()
