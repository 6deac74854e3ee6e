"""Directories that tests use one after the other, as if each had a new one."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

State: TypeAlias = tuple[int, ...]


class Snapshot:
    """The state of a directory's files, and a copy of them to put back.

    The time of change of an inode, which no program can set, tells which files were written to.
    """

    def __init__(self, root: Path, copy: Path | None = None) -> None:
        self._root = root
        self._copy = copy
        if copy is not None:
            shutil.copytree(root, copy, symlinks=True)
        self._states = dict(_states(root))

    def restore(self) -> bool:
        """Make the directory what it was; return whether that could be done.

        What was added is removed. What was changed or removed needs the copy.
        """
        self._root.mkdir(exist_ok=True)
        found = dict(_states(self._root))
        for path in sorted(found.keys() - self._states.keys()):
            _remove(self._root / path)
        lost = sorted(path for path, state in self._states.items() if found.get(path) != state)
        if lost and self._copy is None:
            return False
        for path in lost:
            self._put_back(path)
        return True

    def _put_back(self, path: str) -> None:
        assert self._copy is not None
        original, place = self._copy / path, self._root / path
        is_directory = original.is_dir() and not original.is_symlink()
        if not is_directory or not place.is_dir() or place.is_symlink():
            _remove(place)
        if is_directory:
            place.mkdir(exist_ok=True)
            shutil.copystat(original, place)
        else:
            shutil.copy2(original, place, follow_symlinks=False)
        self._states[path] = _state(os.lstat(place))


def _states(directory: Path | str, below: str = "") -> Iterator[tuple[str, State]]:
    """Yield the path and state of everything below a directory, parents first."""
    with os.scandir(directory) as entries:
        for entry in entries:
            path = below + entry.name
            yield path, _state(entry.stat(follow_symlinks=False))
            if entry.is_dir(follow_symlinks=False):
                yield from _states(entry.path, f"{path}/")


def _state(status: os.stat_result) -> State:
    if stat.S_ISDIR(status.st_mode):
        return (status.st_mode,)
    return (status.st_mode, status.st_ino, status.st_size, status.st_ctime_ns)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
