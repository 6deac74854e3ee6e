"""Environments besides this process's own, with which a lock can be compared."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES

from coral_lock.errors import InputError
from coral_lock.installed.import_lookup import DirectoryFinder
from coral_lock.installed.site_scan import checked_directories, python_of
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.parts import named_target
from coral_lock.targets.machine import machine_of, this_machine
from coral_lock.targets.model import Target
from coral_lock.verification.machine import Environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    # It imports packaging, which a locked start must not.
    from coral_lock.probe.interpreter import Interpreter


def path_environment(path: Sequence[str]) -> Environment:
    """Return the environment of an interpreter like this one that has directories as its path.

    Those of this interpreter's standard library that the path lacks come first.
    """
    places = tuple(map(os.path.abspath, path))
    library = os.path.dirname(os.__file__)
    own = (library, os.path.join(library, "lib-dynload"))
    machine = this_machine()
    return Environment(
        path=places,
        python=machine.language_version,
        find=DirectoryFinder(
            (*(place for place in own if place not in places), *places),
            sys.builtin_module_names,
            EXTENSION_SUFFIXES,
        ).find,
        machine=machine,
    )


def interpreter_environment(interpreter: Interpreter) -> Environment:
    """Return another interpreter's environment."""
    finder = DirectoryFinder(
        (*interpreter.standard_library, *interpreter.path),
        interpreter.built_in_modules,
        interpreter.extension_suffixes,
    )
    return Environment(
        path=interpreter.path,
        python=interpreter.machine.language_version,
        find=finder.find,
        machine=interpreter.machine,
        executable=interpreter.executable,
    )


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
