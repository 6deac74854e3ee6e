"""`pylock.toml` (PEP 751) and hash-pinned requirements, which pip and uv install."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from coral_lock.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from packaging.pylock import Package, PackageWheel, Pylock
    from tomlkit.items import Array, InlineTable

    from coral_lock.export.locked_wheels import Installation, LockedWheel, Pin


_CREATED_BY = "coral-lock"
_FIRST_WITH_PYLOCK = "26.0"


def pylock_text(installation: Installation, directory: str) -> str:
    """Return a `pylock.toml` that names every wheel with its size and SHA-256.

    Args:
        installation: what is to be installed.
        directory: where the file will lie; the wheels are named relative to it.

    Raises:
        InputError: the `packaging` that is installed can't write it, or a wheel's path can't
            be written in it.
    """
    _require_packaging()
    from packaging.markers import Marker
    from packaging.pylock import Pylock
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

    python = installation.python
    pylock = Pylock(
        lock_version=Version("1.0"),
        created_by=_CREATED_BY,
        environments=[Marker(text) for text in installation.environments] or None,
        requires_python=SpecifierSet(f"=={python}.*") if python else None,
        packages=[_package(pin, directory) for pin in installation.pins],
    )
    pylock.validate()
    return _written(pylock)


def is_pylock_text(text: str) -> bool:
    """Whether a text is a `pylock.toml` that `pylock_text` returned, as it says itself."""
    from tomlkit import parse
    from tomlkit.exceptions import TOMLKitError

    try:
        document = parse(text)
    except (TOMLKitError, ValueError, RecursionError):
        return False
    return document.get("created-by") == _CREATED_BY and "packages" in document


def _require_packaging() -> None:
    """Hold that `packaging` is new enough: everything else here takes older ones, too."""
    from importlib.util import find_spec

    import packaging

    if find_spec("packaging.pylock") is None:
        raise InputError(
            "the `packaging` that is installed can't write a pylock.toml",
            expected=f"packaging {_FIRST_WITH_PYLOCK} or newer",
            found=f"packaging {packaging.__version__}",
            hint="install `coral-lock[export]` into an environment of its own, or export with "
            "`--format requirements`",
        )


def _written(pylock: Pylock) -> str:
    """Return the text: a table for each package and wheel, what is small within its line."""
    import tomlkit

    document = tomlkit.document()
    for key, value in pylock.to_dict().items():
        if key != "packages":
            document[key] = value
    packages = tomlkit.aot()
    for package in pylock.to_dict()["packages"]:
        table = tomlkit.table()
        for key, value in package.items():
            if key != "wheels":
                table[key] = value if isinstance(value, str) else _inline_tables(value)
        wheels = tomlkit.aot()
        for wheel in package["wheels"]:
            fields = tomlkit.table()
            for key, value in wheel.items():
                fields[key] = _inline(value) if isinstance(value, Mapping) else value
            wheels.append(fields)
        table["wheels"] = wheels
        packages.append(table)
    # Older versions of tomlkit write nothing for an array of tables that is empty.
    document["packages"] = packages or []
    return tomlkit.dumps(document)


def _inline(value: Mapping[str, Any]) -> InlineTable:
    import tomlkit

    table = tomlkit.inline_table()
    table.update(value)
    return table


def _inline_tables(values: Iterable[Mapping[str, Any]]) -> Array:
    import tomlkit

    array = tomlkit.array()
    array.extend(_inline(value) for value in values)
    return array


def _package(pin: Pin, directory: str) -> Package:
    from packaging.markers import Marker
    from packaging.pylock import Package
    from packaging.utils import canonicalize_name
    from packaging.version import Version

    return Package(
        name=canonicalize_name(pin.name),
        version=Version(pin.version),
        marker=Marker(pin.marker) if pin.marker else None,
        dependencies=[{"name": name} for name in pin.requires] or None,
        wheels=[_wheel(wheel, directory) for wheel in pin.wheels],
    )


def _wheel(wheel: LockedWheel, directory: str) -> PackageWheel:
    from packaging.pylock import PackageWheel

    return PackageWheel(
        name=wheel.file_name,
        path=_relative_path(wheel.path, directory),
        size=wheel.size,
        hashes={"sha256": wheel.sha256},
    )


def _relative_path(path: str, directory: str) -> str:
    relative = os.path.relpath(os.path.abspath(path), os.path.abspath(directory))
    try:
        relative.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(
            "a pylock.toml can't name a path that isn't UTF-8",
            where=relative.encode("utf-8", "backslashreplace").decode("utf-8"),
            hint="write it into the directory that holds the wheels",
        ) from None
    return relative.replace(os.sep, "/")


_HEADING = "# Made from a coral.lock by `coral-runtime export`: export again, don't edit."
_TOLD = "# {} isn't part of it: the lock was only told of it."
_LINE = re.compile(
    r"[^\s#-]\S*==\S+( ; .+)?( --hash=sha256:[0-9a-f]{64})+|"
    + re.escape(_TOLD).replace(r"\{\}", ".+")
)


def requirements_text(installation: Installation) -> str:
    """Return a requirements file: every distribution with its version and its wheels' SHA-256.

    The hashes make pip and uv refuse every other file, and every distribution that isn't
    listed.
    """
    return "".join(f"{line}\n" for line in _lines(installation))


def is_requirements_text(text: str) -> bool:
    """Whether a text is one that `requirements_text` returned, and nobody has added to it."""
    heading, *lines = text.replace(" \\\n    ", " ").splitlines() or [""]
    return heading == _HEADING and all(map(_LINE.fullmatch, lines))


def _lines(installation: Installation) -> Iterator[str]:
    yield _HEADING
    for host in installation.told:
        yield _TOLD.format(host)
    for pin in installation.pins:
        yield from _pin_lines(pin)


def _pin_lines(pin: Pin) -> Iterator[str]:
    requirement = f"{pin.name}=={pin.version}" + (f" ; {pin.marker}" if pin.marker else "")
    hashes = sorted({wheel.sha256 for wheel in pin.wheels})
    yield " \\\n".join([requirement, *(f"    --hash=sha256:{digest}" for digest in hashes)])
