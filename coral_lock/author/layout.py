"""Where a project keeps the files that its build back end puts under the site root."""

from __future__ import annotations

import os
import posixpath

from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from coral_lock.author.pyproject import Pyproject

SETUPTOOLS = "setuptools"
HATCHLING = "hatchling"
POETRY = "poetry"
FLIT = "flit"
UV = "uv"
OTHER = "other"


class SourceDirectory(Record):
    """What lies in `directory` of the project comes to lie in `target` of the site root.

    Both are relative, with slashes, and empty for the root itself.
    """

    target: str
    directory: str


def backend_family(build_backend: str) -> str:
    """Return which of the known build back ends the value of `build-backend` names."""
    top = build_backend.partition(":")[0].partition(".")[0]
    known = {
        "setuptools": SETUPTOOLS,
        "hatchling": HATCHLING,
        "poetry": POETRY,
        "flit_core": FLIT,
        "flit": FLIT,
        "uv_build": UV,
    }
    return known.get(top, OTHER)


def source_directories(pyproject: Pyproject, family: str) -> tuple[SourceDirectory, ...]:
    """Return where sources lie by the settings of the build back end, the best guess first.

    Args:
        pyproject: the project's settings.
        family: the back end, as `backend_family` names it.
    """
    stated = {
        SETUPTOOLS: _setuptools,
        HATCHLING: _hatchling,
        POETRY: _poetry,
        UV: _uv,
    }.get(family)
    found = [] if stated is None else list(stated(pyproject))
    root, src = (
        SourceDirectory(target="", directory=""),
        SourceDirectory(target="", directory="src"),
    )
    # Setuptools takes `src` for the root as soon as it is there; the others look there last.
    found += [src, root] if family in (SETUPTOOLS, UV) else [root, src]
    return tuple(dict.fromkeys(found))


def _setuptools(pyproject: Pyproject) -> Iterator[SourceDirectory]:
    """https://setuptools.pypa.io/en/latest/userguide/package_discovery.html"""
    settings = ("tool", "setuptools")
    directories = {
        package: directory
        for package, directory in pyproject.table(*settings, "package-dir").items()
        if isinstance(directory, str)
    }
    for package in sorted(directories, key=len, reverse=True):
        yield from _mapped(package.replace(".", "/"), directories[package])
    for directory in pyproject.texts(*settings, "packages", "find", "where"):
        yield from _mapped("", directory)


def _hatchling(pyproject: Pyproject) -> Iterator[SourceDirectory]:
    """https://hatch.pypa.io/latest/config/build/"""
    target = ("tool", "hatch", "build", "targets", "wheel")
    for settings in (target, target[:3]):
        for source, destination in pyproject.table(*settings, "force-include").items():
            if isinstance(destination, str):
                yield from _mapped(destination, source)
        for source, destination in pyproject.table(*settings, "sources").items():
            if isinstance(destination, str):
                yield from _mapped(destination, source)
        for source in pyproject.texts(*settings, "sources"):
            yield from _mapped("", source)
        for directory in pyproject.texts(*settings, "packages"):
            yield from _mapped(posixpath.basename(directory.rstrip("/")), directory)


def _poetry(pyproject: Pyproject) -> Iterator[SourceDirectory]:
    """https://python-poetry.org/docs/pyproject/#packages"""
    packages = pyproject.get("tool", "poetry", "packages")
    for package in packages if isinstance(packages, list) else ():
        settings = package if isinstance(package, dict) else {"include": package}
        include, base, to = (settings.get(key, "") for key in ("include", "from", "to"))
        if not (isinstance(include, str) and isinstance(base, str) and isinstance(to, str)):
            continue
        fixed = "/".join(_fixed_parts(include))
        yield from _mapped(posixpath.join(to, fixed), posixpath.join(base, fixed))


def _fixed_parts(pattern: str) -> Iterator[str]:
    """Yield the parts of a pattern before the first one with a wildcard."""
    for part in pattern.split("/"):
        if not set("*?[").isdisjoint(part):
            return
        yield part


def _uv(pyproject: Pyproject) -> Iterator[SourceDirectory]:
    """https://docs.astral.sh/uv/concepts/build-backend/"""
    module_root = pyproject.string("tool", "uv", "build-backend", "module-root")
    if module_root is not None:
        yield from _mapped("", module_root)


def _mapped(target: str, directory: str) -> Iterator[SourceDirectory]:
    """Yield the pair with both paths normalized, unless one leaves the root."""
    paths = [posixpath.normpath(path.replace(os.sep, "/")) for path in (target, directory)]
    if any(path.startswith(("/", "../")) or path == ".." for path in paths):
        return
    target, directory = ("" if path == "." else path for path in paths)
    yield SourceDirectory(target=target, directory=directory)
