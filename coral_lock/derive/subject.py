"""What a lock is compared with: an interpreter's environment, or the directories of an image."""

from __future__ import annotations

import os
from collections.abc import Sequence

from coral_lock.derive.place import Place
from coral_lock.errors import InputError, UsageError
from coral_lock.installed.import_lookup import DirectoryFinder
from coral_lock.installed.site_scan import checked_directories, python_of
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.parts import named_target
from coral_lock.targets.machine import machine_of, parse_target
from coral_lock.targets.model import Target
from coral_lock.verification.machine import Environment


def subject_of(place: Place, lock: Lock) -> tuple[Environment | None, str | None]:
    """Return what a lock is verified against, and the name of the target that it has to be.

    Args:
        place: an environment or directories, with one target at the most; only for
            directories that may be `python=…,platform=…`.
        lock: the lock, which knows the targets by their names.

    Returns:
        The subject, None for this process, and the name of a target of the lock, None for
        the one that the subject is.

    Raises:
        InputError: the interpreter or a directory can't be used, the lock has no target of
            that name, or it isn't clear for which one a directory is.
        UsageError: a target is described for an interpreter.
    """
    text = next(iter(place.targets), None)
    parsed = None if text is None else parse_target(text)
    name = parsed if isinstance(parsed, str) else None
    if place.site_packages:
        return image_environment(place.site_packages, lock, parsed), name
    if parsed is not None and name is None:
        raise UsageError(
            "an interpreter's target can't be described",
            found=text,
            hint="pass the name of one of the lock's targets",
        )
    if place.python is None:
        return None, name
    from coral_lock.probe.interpreter import ask_interpreter

    found = ask_interpreter(place.python)
    finder = DirectoryFinder(
        (*found.standard_library, *found.path),
        found.built_in_modules,
        found.extension_suffixes,
    )
    environment = Environment(
        path=found.path,
        python=found.machine.language_version,
        find=finder.find,
        machine=found.machine,
        executable=found.executable,
    )
    return environment, name


def image_environment(
    directories: Sequence[str], lock: Lock, target: Target | str | None = None
) -> Environment:
    """Return the environment of a machine whose files are in directories, e.g. of an image.

    Nothing of it is run. A locked file that is a link is refused.

    Args:
        directories: its site directories, in the order of its path.
        lock: what it is compared with.
        target: what the machine is, or the name of one of the lock's targets. By default
            the lock's only target; where the lock has none, the paths have to state the
            version of Python.

    Raises:
        InputError: a directory can't be used, the lock has no target of that name, or it
            isn't clear for which target or Python the directories are.
    """
    path = checked_directories(directories)
    if isinstance(target, str):
        target = named_target(lock, target)
    if target is None and len(lock.targets) == 1:
        target = lock.targets[0]
    if target is None and lock.targets:
        raise InputError(
            "which of the lock's targets the directories are for isn't known",
            expected=", ".join(each.name for each in lock.targets),
            where=path[0],
            hint="pass `--target NAME`",
        )
    python = target.language_version if target else python_of(path)
    if python is None:
        raise InputError(
            "the version of Python that the directories are for isn't known",
            expected="a path like `lib/python3.11/site-packages`",
            where=path[0],
            hint="pass `--target python=3.11,platform=linux_aarch64`",
        )
    return Environment(
        path=path,
        python=python,
        find=DirectoryFinder((*_standard_library(path, python), *path)).find,
        machine=machine_of(target) if target else None,
        is_image=True,
    )


def _standard_library(path: Sequence[str], python: str) -> tuple[str, ...]:
    """Return the standard library beside site directories, if there is one."""
    found: list[str] = []
    for directory in path:
        parent = os.path.dirname(directory)
        for library in (parent, os.path.join(os.path.dirname(parent), f"python{python}")):
            if os.path.isfile(os.path.join(library, "os.py")) and library not in found:
                found.extend((library, os.path.join(library, "lib-dynload")))
    return tuple(found)
