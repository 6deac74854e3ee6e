"""Which distributions lie on a path, told from directory names alone."""

from __future__ import annotations

import os

from coral_lock.dist_info import Location
from coral_lock.names import normalized_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SUFFIXES = (".dist-info", ".egg-info")


def scan_path(path: Sequence[str]) -> Mapping[str, tuple[Location, ...]]:
    """Return every installed distribution by its normalized name.

    Args:
        path: directories, as `sys.path` holds them. Entries that aren't directories are
            passed over, and a directory that appears under two names counts once.

    Returns:
        For each name the places, in the order of the path and then of the directory's
        name: more than one means that it is installed more than once.
    """
    found: dict[str, list[Location]] = {}
    for root in unique_directories(path):
        directories = [entry for entry in os.listdir(root) if entry.endswith(_SUFFIXES)]
        for directory in sorted(directories):
            name = normalized_name(directory[: directory.rindex(".")].partition("-")[0])
            found.setdefault(name, []).append(Location(root=root, directory=directory))
    return {name: tuple(locations) for name, locations in found.items()}


def unique_directories(path: Sequence[str]) -> tuple[str, ...]:
    """Return the directories of a path as absolute paths, each once, in order."""
    seen: set[tuple[int, int]] = set()
    directories: list[str] = []
    for entry in path:
        directory = os.path.abspath(entry)
        try:
            status = os.stat(directory)
            identity = (status.st_dev, status.st_ino)
            if identity not in seen and os.access(directory, os.R_OK) and os.path.isdir(directory):
                seen.add(identity)
                directories.append(directory)
        except OSError:
            continue
    return tuple(directories)
