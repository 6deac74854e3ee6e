"""Asking another interpreter what it is and where its distributions are."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import packaging

from coral_lock.child_process import PRINTED, TOOK_LONGER, bare_environment, run_child
from coral_lock.errors import InputError, printable, shortened
from coral_lock.probe.child import DESCRIBE
from coral_lock.safe_files import read_regular_file
from coral_lock.targets.machine import Machine
from coral_lock.targets.model import Platform

TIME_LIMIT = 10.0
_SUPPORTED = "Python 3.10 or newer"

_CHILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "child.py")
_PLACES = (("bin", "python"), ("bin", "python3"), ("Scripts", "python.exe"))
_HINT = "name the file of a Python interpreter, or the directory of a virtual environment"
_MAX_BYTES = 1 << 20
_MAX_ENTRIES = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Interpreter:
    """An interpreter and its environment.

    Args:
        executable: its file, absolute.
        path: the directories that may hold distributions, in the order of its `sys.path`:
            its site directories and what `.pth` files add. The user's own site directory
            isn't among them, as it is no part of the environment.
        standard_library: what comes before them on its `sys.path`.
        built_in_modules: the modules that it has without a file.
        extension_suffixes: the endings of extension modules that it loads.
        machine: its version, and the platform that it runs on.
        markers: its marker environment (PEP 508).
    """

    executable: str
    path: tuple[str, ...]
    standard_library: tuple[str, ...]
    built_in_modules: tuple[str, ...]
    extension_suffixes: tuple[str, ...]
    machine: Machine
    markers: Mapping[str, str]


def ask_interpreter(path: str, time_limit: float = TIME_LIMIT) -> Interpreter:
    """Return an interpreter's description of itself.

    Args:
        path: the interpreter's file, or the directory of a virtual environment (PEP 405).
        time_limit: the seconds that it may take.

    Raises:
        InputError: there is no interpreter, it doesn't answer, or it is older than 3.10.
    """
    executable = _executable(path)
    # The mark keeps other output from being taken for the answer.
    mark = os.urandom(8).hex()
    libraries = os.path.dirname(os.path.dirname(os.path.abspath(packaging.__file__)))
    command = (executable, "-I", "-S", "-B", _CHILD, DESCRIBE, mark, libraries)
    try:
        end = run_child(command, time_limit=time_limit, environment=bare_environment())
    except (OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"`{path}` can't be started: {what}",
            where=executable,
            hint="name the file of a Python interpreter that this user may run",
        ) from None
    output = end.output.decode("utf-8", "replace")
    first_line = next((line.strip() for line in output.splitlines() if line.strip()), "nothing")
    found = printable(shortened(first_line))
    if end.ending and end.ending.startswith((TOOK_LONGER, PRINTED)):
        raise InputError(
            f"`{path}` {end.ending} to describe itself",
            found=found,
            where=executable,
            hint=f"see whether `{executable} -I -S -c pass` ends",
        )
    answer = next((line for line in output.splitlines() if line.startswith(mark)), "")
    try:
        facts = json.loads(answer[len(mark) :])
    except (ValueError, RecursionError):
        facts = None
    if isinstance(facts, str):
        raise InputError(
            f"the interpreter `{path}` is too old",
            expected=_SUPPORTED,
            found=f"Python {printable(shortened(facts))}",
            where=os.path.abspath(path),
            hint="name a newer interpreter",
        )
    if problem := _problem_of(facts):
        raise InputError(
            f"`{path}` doesn't answer as a Python interpreter does: {problem}",
            expected=_SUPPORTED,
            found=found,
            where=executable,
            hint=_HINT,
        )
    platform = {**facts["platform"], "version": tuple(facts["platform"]["version"])}
    return Interpreter(
        executable=facts["executable"],
        path=_with_pth_entries(facts["site_directories"]),
        standard_library=tuple(facts["standard_library"]),
        built_in_modules=tuple(facts["built_in_modules"]),
        extension_suffixes=tuple(facts["extension_suffixes"]),
        machine=Machine(python=facts["python"], platform=Platform(**platform)),
        markers=dict(sorted(facts["markers"].items())),
    )


def _problem_of(facts: object) -> str | None:
    """Return why an answer can't be right, or None."""
    if facts is None:
        return "it printed no description of itself"
    from coral_lock.document.schema import load_schema, validator_of

    error = next(validator_of(load_schema("interpreter")).iter_errors(facts), None)
    if error is None:
        return None
    return f"`{error.json_path}` in its description is invalid"


def _with_pth_entries(directories: Iterable[str]) -> tuple[str, ...]:
    """Return the path that `site` makes of site directories, at most a thousand entries.

    After each directory come the paths that its `.pth` files name, in the order of the files'
    names. Lines that begin with `import` would be run, and are ignored; so is what doesn't
    exist, and a file that can't be read.
    """
    path: dict[str, str] = {}
    for directory in map(os.path.abspath, directories):
        if os.path.isdir(directory):
            for entry in (directory, *_pth_entries(directory)):
                path.setdefault(os.path.normcase(entry), entry)
    return tuple(path.values())[:_MAX_ENTRIES]


def _pth_entries(directory: str) -> Iterator[str]:
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    for name in names:
        if not name.endswith(".pth") or name.startswith("."):
            continue
        try:
            text = read_regular_file(os.path.join(directory, name), _MAX_BYTES).decode("utf-8-sig")
        except (OSError, UnicodeDecodeError):
            continue
        for line in text.splitlines():
            if line.strip() and not line.startswith(("#", "import ", "import\t")):
                entry = os.path.abspath(os.path.join(directory, line.rstrip()))
                if "\0" not in entry and os.path.exists(entry):
                    yield entry


def _executable(path: str) -> str:
    """Return the file of the interpreter, absolute, with the links that locate its environment."""
    place = os.path.abspath(path)
    if not os.path.isdir(place):
        if os.path.exists(place):
            return place
        raise InputError(
            f"there is no interpreter `{path}`",
            where=place,
            hint=_HINT,
        )
    for parts in _PLACES:
        executable = os.path.join(place, *parts)
        if os.path.exists(executable) and os.path.isfile(os.path.join(place, "pyvenv.cfg")):
            return executable
    raise InputError(
        f"`{path}` isn't a virtual environment",
        expected="`pyvenv.cfg` and `bin/python` in it",
        where=place,
        hint="name the file of a Python interpreter; for a directory of installed "
        "distributions write `--site-packages DIR`",
    )
