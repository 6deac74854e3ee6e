"""`pylock.toml` (PEP 751) and hash-pinned requirements, which pip and uv install."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec

import packaging
import tomlkit
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from tomlkit.exceptions import TOMLKitError

from coral_lock.errors import InputError
from coral_lock.export.installation import Installation

_CREATED_BY = "coral-lock"
_FIRST_WITH_PYLOCK = "26.0"


def pylock_text(installation: Installation, directory: str) -> str:
    """Return a `pylock.toml` that names every wheel with its size and SHA-256.

    Args:
        installation: what is to be installed.
        directory: that of the file; the wheels are named relative to it.

    Raises:
        InputError: the installed `packaging` can't write it, or a wheel's path can't
            be written in it.
    """
    # Everything else here works with older versions.
    if find_spec("packaging.pylock") is None:
        raise InputError(
            "the installed `packaging` can't write a pylock.toml",
            expected=f"packaging {_FIRST_WITH_PYLOCK} or newer",
            found=f"packaging {packaging.__version__}",
            hint="install `coral-lock[export]` into an environment of its own, or export with "
            "`--format requirements`",
        )
    from packaging.pylock import Package, PackageWheel, Pylock

    python = installation.python
    pylock = Pylock(
        lock_version=Version("1.0"),
        created_by=_CREATED_BY,
        environments=[Marker(text) for text in installation.environments] or None,
        requires_python=SpecifierSet(f"=={python}.*") if python else None,
        packages=[
            Package(
                name=canonicalize_name(pin.name),
                version=Version(pin.version),
                marker=Marker(pin.marker) if pin.marker else None,
                dependencies=[{"name": name} for name in pin.requires] or None,
                wheels=[
                    PackageWheel(
                        name=wheel.file_name,
                        path=_relative_path(wheel.path, directory),
                        size=wheel.size,
                        hashes={"sha256": wheel.sha256},
                    )
                    for wheel in pin.wheels
                ],
            )
            for pin in installation.pins
        ],
    )
    pylock.validate()
    return tomlkit.dumps(pylock.to_dict())


def is_pylock_text(text: str) -> bool:
    """Whether a text is a `pylock.toml` that `pylock_text` returned, as it says itself."""
    try:
        document = tomlkit.parse(text)
    except (TOMLKitError, ValueError, RecursionError):
        return False
    return document.get("created-by") == _CREATED_BY and "packages" in document


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
_UNPINNED = "# {} isn't pinned: the lock has only its version."
_LINE = re.compile(
    r"[^\s#-]\S*==\S+( ; .+)?( --hash=sha256:[0-9a-f]{64})+|"
    + re.escape(_UNPINNED).replace(r"\{\}", ".+")
)


def requirements_text(installation: Installation) -> str:
    """Return a requirements file: every distribution with its version and its wheels' SHA-256.

    The hashes make pip and uv refuse every other file, and every distribution that isn't
    listed.
    """
    lines = [_HEADING, *(_UNPINNED.format(host) for host in installation.unpinned_hosts)]
    for pin in installation.pins:
        requirement = f"{pin.name}=={pin.version}" + (f" ; {pin.marker}" if pin.marker else "")
        hashes = sorted({wheel.sha256 for wheel in pin.wheels})
        lines.append(" \\\n    ".join([requirement, *(f"--hash=sha256:{each}" for each in hashes)]))
    return "".join(f"{line}\n" for line in lines)


def is_requirements_text(text: str) -> bool:
    """Whether a text is one that `requirements_text` returned, with nothing added to it."""
    heading, *lines = text.replace(" \\\n    ", " ").splitlines() or [""]
    return heading == _HEADING and all(map(_LINE.fullmatch, lines))
