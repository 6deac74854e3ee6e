"""Directories that a user names as holding installed distributions, e.g. those of an image."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable

from coral_lock.errors import InputError

_NAMES = ("site-packages", "dist-packages")
_BASES = ("", "opt", "opt/*", "opt/*/*")
_LIBRARIES = ("lib", "lib64", "Lib", "usr/lib", "usr/lib64", "usr/local/lib", "usr/local/lib64")
_MAX_NAMED = 10


def checked_directories(directories: Iterable[str]) -> tuple[str, ...]:
    """Return the site directories that a user names as absolute paths, in order, each once.

    Raises:
        InputError: one isn't a directory, can't be read, or contains nothing that is installed.
            Where it is rather the root of a file system, or an environment, the hint names
            the site directories in it.
    """
    checked: dict[str, None] = {}
    for directory in directories:
        place = os.path.abspath(directory)
        try:
            names = os.listdir(place)
        except OSError as error:
            raise InputError(
                f"the directory `{directory}` can't be read: {error.strerror}",
                where=place,
                hint="name a directory into which distributions are installed",
            ) from None
        if os.path.basename(place) not in _NAMES and not any(
            name.endswith((".dist-info", ".egg-info")) for name in names
        ):
            raise InputError(
                f"nothing is installed in `{directory}`",
                expected="`*.dist-info` directories in it",
                where=place,
                hint=_hint_for(place),
            )
        checked[place] = None
    return tuple(checked)


def _hint_for(root: str) -> str:
    """Name the site directories at the usual places below a root, but none by links out of it."""
    bounds = os.path.join(os.path.realpath(root), "")
    found: dict[str, str] = {}
    for base in _BASES:
        for library in _LIBRARIES:
            for version in ("", "python3*/"):
                for name in _NAMES:
                    pattern = os.path.join(glob.escape(root), base, library, version, name)
                    for place in sorted(glob.glob(pattern)):
                        if os.path.realpath(place).startswith(bounds):
                            found.setdefault(os.path.realpath(place), place)
    if not found:
        return "name the `site-packages` directory itself"
    named = [f"`--site-packages {place}`" for place in sorted(found.values())]
    more = f" (and {len(named) - _MAX_NAMED} more)" if len(named) > _MAX_NAMED else ""
    return f"name {', '.join(named[:_MAX_NAMED])}{more}"


def python_of(directories: Iterable[str]) -> str | None:
    """Return the language version that site directories are for, as their paths state it.

    That is the `3.11` of `lib/python3.11/site-packages`; None where no path states it, or
    they disagree.
    """
    found = set()
    for directory in directories:
        parent = os.path.basename(os.path.dirname(os.path.abspath(directory)))
        version = parent.removeprefix("python").removesuffix("t")
        major, _, minor = version.partition(".")
        if parent.startswith("python") and major == "3" and minor.isascii() and minor.isdigit():
            found.add(version)
    return found.pop() if len(found) == 1 else None
