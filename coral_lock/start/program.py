"""Running a Python program in this process, as `python PROGRAM` or `python -m MODULE` would."""

from __future__ import annotations

import os
import sys

from coral_lock.errors import UsageError
from coral_lock.installed.module_lookup import import_chain
from coral_lock.record import Record
from coral_lock.safe_read import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Program(Record):
    """A program that is ready to run; `sys.argv` and `sys.path` are already its own."""

    target: str
    is_module: bool

    def run(self) -> None:
        """Run it as `__main__`. What it raises, `SystemExit` among it, is its own affair."""
        import runpy

        if self.is_module:
            runpy.run_module(self.target, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(self.target, run_name="__main__")


def prepare_program(words: Sequence[str]) -> Program:
    """Set `sys.argv` and the first entry of `sys.path` for a program, before verification.

    So the machine is verified with the very path that the program will import from.

    Args:
        words: `-m MODULE` or the path of a Python program, and its arguments. A name
            without a directory that isn't a file here is looked up beside the interpreter,
            then on PATH.

    Raises:
        UsageError: there is no program, it isn't there, or isn't written in Python.
    """
    if not words:
        raise UsageError(
            "no program to run", hint="write `coral-runtime run --locked -- PROGRAM [ARGS]`"
        )
    if words[0] == "-m":
        if len(words) < 2:
            raise UsageError("`-m` needs the name of a module")
        sys.argv[:] = list(words[1:])
        _require_module(words[1])
        sys.path.insert(0, _working_directory())
        return Program(target=words[1], is_module=True)
    path = _find(words[0])
    sys.argv[:] = [path, *words[1:]]
    sys.path.insert(0, os.path.dirname(os.path.realpath(path)))
    return Program(target=path, is_module=False)


def _require_module(name: str) -> None:
    """Refuse a module that can't be found, before anything is activated for it."""
    top = name.partition(".")[0]
    if not import_chain(top, search=[_working_directory(), *sys.path]):
        raise UsageError(
            f"there is no module `{top}`", hint="name a Python file, or a module that is installed"
        )


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError as error:
        raise UsageError(
            f"the working directory can't be found: {error.strerror}",
            hint="start from a directory that exists",
        ) from None


def _find(name: str) -> str:
    candidates = [name]
    if os.sep not in name:
        candidates += [
            os.path.join(directory, name)
            for directory in (
                os.path.dirname(sys.executable),
                *os.environ.get("PATH", "").split(os.pathsep),
            )
            if directory
        ]
    for candidate in candidates:
        if os.path.isfile(candidate):
            _require_python(candidate)
            return candidate
    raise UsageError(
        f"there is no program `{name}`", hint="name a Python file, or a module with `-m MODULE`"
    )


def _require_python(path: str) -> None:
    if path.endswith((".py", ".pyz")):
        return
    try:
        first_line = read_regular_file(path, 64 << 20).split(b"\n", 1)[0]
    except OSError as error:
        raise UsageError(f"`{path}` can't be read: {error.strerror}", where=path) from None
    if not (first_line.startswith(b"#!") and b"python" in first_line):
        raise UsageError(
            f"`{path}` isn't a Python program",
            where=path,
            hint="`run` runs Python in its own process: name a Python file, or `-m MODULE`",
        )
