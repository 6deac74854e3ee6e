"""Putting a new project on disk: whole or not at all, and never over anything."""

from __future__ import annotations

import os
import shlex
import shutil

from coral_lock.errors import InputError, WriteError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def write_project(target: str, files: Mapping[str, str]) -> None:
    """Write a project into a directory that isn't there yet, or is empty.

    The files are written into a temporary directory beside it, which is renamed at the end.

    Args:
        target: the project's directory; the one that it lies in must be there.
        files: the texts by their paths below it, with slashes.

    Raises:
        InputError: there is something at `target` already, or nothing to put it in.
        WriteError: it can't be written; nothing is left behind.
    """
    _require_room(target)
    parent, name = os.path.split(os.path.abspath(target))
    temporary = os.path.join(parent, f".{name}.{os.urandom(6).hex()}.tmp")
    try:
        try:
            _write_files(temporary, files)
            # Renaming fails if someone has filled the directory in the meantime.
            os.rename(temporary, os.path.join(parent, name))
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    except OSError as error:
        raise WriteError(
            f"`{target}` can't be written: {error.strerror or error}; nothing was written",
            where=target,
            hint="make room, or name a directory that you can write to with `--directory DIR`",
        ) from None


def _require_room(target: str) -> None:
    parent = os.path.dirname(os.path.abspath(target))
    if not os.path.isdir(parent):
        raise InputError(
            "there is no directory to put the project in",
            where=parent,
            hint=f"make it with `mkdir -p {shlex.quote(parent)}`",
        )
    if not os.path.lexists(target):
        return
    is_directory = os.path.isdir(target) and not os.path.islink(target)
    try:
        if is_directory and not os.listdir(target):
            return
    except OSError as error:
        raise InputError(f"`{target}` can't be read: {error.strerror}", where=target) from None
    raise InputError(
        "there is something already where the project would go; nothing was written",
        expected="nothing, or an empty directory",
        found="a directory with files" if is_directory else "a file or a link",
        where=target,
        hint="choose another name, or another place with `--directory DIR`",
    )


def _write_files(root: str, files: Mapping[str, str]) -> None:
    os.mkdir(root)
    for path in sorted(files):
        place = os.path.join(root, *path.split("/"))
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "x", encoding="utf-8", newline="") as file:
            file.write(files[path])
