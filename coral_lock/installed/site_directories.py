"""Directories that a user names as holding installed distributions, e.g. those of an image."""

from __future__ import annotations

import os

from coral_lock.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_NAMES = ("site-packages", "dist-packages")
_SUFFIXES = (".dist-info", ".egg-info")
_LIBRARIES = ("lib", "lib64", "Lib", "usr/lib", "usr/lib64", "usr/local/lib", "usr/local/lib64")
_MAX_NAMED = 10


def checked_directories(directories: Iterable[str]) -> tuple[str, ...]:
    """Return site directories as absolute paths, in their order, each once.

    Raises:
        InputError: one isn't a directory, can't be read, or holds nothing that is installed.
            Where it is rather the root of a file system, or an environment, the hint names
            the site directories in it.
    """
    checked: list[str] = []
    for directory in directories:
        place = os.path.abspath(directory)
        _check(directory, place)
        if place not in checked:
            checked.append(place)
    return tuple(checked)


def python_of(directories: Iterable[str]) -> str | None:
    """Return the language version that site directories are for, as their paths tell it.

    That is the `3.11` of `lib/python3.11/site-packages`; None where no path tells it, or
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


def _check(directory: str, place: str) -> None:
    try:
        names = os.listdir(place)
    except OSError as error:
        raise InputError(
            f"the directory `{directory}` can't be read: {error.strerror}",
            where=place,
            hint="name a directory into which distributions are installed",
        ) from None
    if os.path.basename(place) in _NAMES or any(name.endswith(_SUFFIXES) for name in names):
        return
    found = _site_directories_in(place)
    rest = len(found) - _MAX_NAMED
    raise InputError(
        f"nothing is installed in `{directory}`",
        expected="`*.dist-info` directories in it",
        where=place,
        hint="name "
        + ", ".join(f"`--site-packages {each}`" for each in found[:_MAX_NAMED])
        + (f" (and {rest} more)" if rest > 0 else "")
        if found
        else "name the `site-packages` directory itself",
    )


def _site_directories_in(root: str) -> list[str]:
    """Return the site directories at the usual places below a root, sorted, each once.

    A link that leads out of the root isn't followed.
    """
    bounds = os.path.join(os.path.realpath(root), "")
    found: dict[str, str] = {}
    for library in _libraries(root):
        for directory in (library, *_children(library, "python3")):
            for name in _NAMES:
                place = os.path.join(directory, name)
                real = os.path.realpath(place)
                if os.path.isdir(place) and real.startswith(bounds):
                    found.setdefault(real, place)
    return sorted(found.values())


def _libraries(root: str) -> list[str]:
    """Return the directories in which interpreters and environments keep their libraries."""
    bases = [root]
    for level in _children(os.path.join(root, "opt")):
        bases.extend((level, *_children(level)))
    return [os.path.join(base, library) for base in bases for library in _LIBRARIES]


def _children(directory: str, prefix: str = "") -> list[str]:
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return []
    places = (os.path.join(directory, name) for name in names if name.startswith(prefix))
    return [place for place in places if os.path.isdir(place)]
