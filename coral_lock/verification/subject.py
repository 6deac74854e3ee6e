"""What a lock is compared with, where that isn't the environment of this process."""

from __future__ import annotations

import os
import sys

from coral_lock.errors import InputError
from coral_lock.installed.import_lookup import DirectoryFinder
from coral_lock.installed.site_directories import checked_directories, python_of
from coral_lock.record import Record
from coral_lock.targets.machine import machine_of, this_machine
from coral_lock.verification.coverage import named_target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from coral_lock.installed.import_lookup import Find
    from coral_lock.lockfile.model import Lock
    from coral_lock.probe.interpreter import Interpreter
    from coral_lock.targets.machine import Machine
    from coral_lock.targets.model import Target


class Subject(Record):
    """An environment, looked at from outside.

    Args:
        path: the directories that may hold distributions.
        python: its language version, `3.11`.
        find: tells which file an import in it would load.
        machine: the machine, None where nobody knows it.
        executable: its interpreter's file, None where nothing of it is run.
        is_image: whether the files are another machine's, where links may lead elsewhere.
    """

    path: tuple[str, ...]
    python: str
    find: Find
    machine: Machine | None
    executable: str | None = None
    is_image: bool = False


def path_subject(path: Sequence[str]) -> Subject:
    """Return directories, looked at for an interpreter like this one that has them as its path.

    Those of this interpreter's standard library that the path lacks come first.
    """
    from importlib.machinery import EXTENSION_SUFFIXES

    places = tuple(map(os.path.abspath, path))
    library = os.path.dirname(os.__file__)
    own = (library, os.path.join(library, "lib-dynload"))
    machine = this_machine()
    return Subject(
        path=places,
        python=machine.language_version,
        find=DirectoryFinder(
            (*(place for place in own if place not in places), *places),
            sys.builtin_module_names,
            EXTENSION_SUFFIXES,
        ).find,
        machine=machine,
    )


def interpreter_subject(interpreter: Interpreter) -> Subject:
    """Return another interpreter's environment."""
    finder = DirectoryFinder(
        (*interpreter.standard_library, *interpreter.path),
        interpreter.built_in_modules,
        interpreter.extension_suffixes,
    )
    return Subject(
        path=interpreter.path,
        python=interpreter.machine.language_version,
        find=finder.find,
        machine=interpreter.machine,
        executable=interpreter.executable,
    )


def image_subject(
    directories: Sequence[str], lock: Lock, target: Target | str | None = None
) -> Subject:
    """Return the environment of a machine whose files lie in directories, e.g. of an image.

    Nothing of it is run. A locked file that is a link is refused.

    Args:
        directories: its site directories, in the order of its path.
        lock: what it is compared with.
        target: what the machine is, or the name of one of the lock's targets. By default
            the lock's only target; where the lock has none, the paths have to tell the
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
            "a directory can't tell which of the lock's targets it is for",
            expected=", ".join(each.name for each in lock.targets),
            where=path[0],
            hint="name it with `--target NAME`",
        )
    python = target.language_version if target else python_of(path)
    if python is None:
        raise InputError(
            "the directory doesn't tell for which Python it is",
            expected="a path like `lib/python3.11/site-packages`",
            where=path[0],
            hint="tell it with `--target python=3.11,platform=linux_aarch64`",
        )
    return Subject(
        path=path,
        python=python,
        find=DirectoryFinder((*_standard_library(path, python), *path)).find,
        machine=machine_of(target) if target else None,
        is_image=True,
    )


def _standard_library(path: Sequence[str], python: str) -> tuple[str, ...]:
    """Return the standard library that lies beside site directories, if it is there."""
    found: list[str] = []
    for directory in path:
        parent = os.path.dirname(directory)
        for library in (parent, os.path.join(os.path.dirname(parent), f"python{python}")):
            if os.path.isfile(os.path.join(library, "os.py")) and library not in found:
                found.extend((library, os.path.join(library, "lib-dynload")))
    return tuple(found)
