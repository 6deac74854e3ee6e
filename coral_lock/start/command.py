"""What the words behind `run … --` name: which program, and how Python would run it.

They are the words that people type without `coral-runtime run --locked --` before them. What
isn't a Python program of this environment is refused, with the words to write instead.
"""

from __future__ import annotations

import os
import sys

from coral_lock.errors import ProgramError, ProgramNotFoundError, UsageError
from coral_lock.installed.import_lookup import import_chain
from coral_lock.record import Record
from coral_lock.safe_files import open_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from coral_lock.installed.import_lookup import FoundModule

FILE = "file"
ARCHIVE = "archive"
MODULE = "module"
CODE = "code"
STDIN = "stdin"

_FLAGS = "bBdEIOqRsuv" + ("P" if sys.version_info >= (3, 11) else "")
_SUFFIXES = (".py", ".pyw", ".pyc")
_HEAD_BYTES = 4096


class Command(Record):
    """What Python is to run.

    Args:
        kind: `file`, `archive` (a directory or ZIP file with a `__main__.py`), `module`,
            `code` or `stdin`.
        target: its path, its module's name, or the code itself.
        arguments: what follows it.
        options: the options for the interpreter, each in one word: `-u`, `-Xdev`.
    """

    kind: str
    target: str
    arguments: tuple[str, ...]
    options: tuple[str, ...] = ()


def read_command(words: Sequence[str]) -> Command:
    """Return what a program's words name: `python app.py`, `app.py`, `-m MODULE`, `uvicorn` …

    A name without a directory that isn't a file here is looked up beside the interpreter,
    then on PATH. `python`, under any name that fits its version, is this interpreter.

    Raises:
        UsageError: no program is named.
        ProgramNotFoundError: there is no such file or module.
        ProgramError: it isn't a Python program of this environment.
    """
    if not words:
        raise UsageError("no program to run", hint=f"write `{_line('python', 'app.py')}`")
    name, *arguments = words
    if name.startswith("-"):
        return _python_command(words)
    if names_python(name):
        _require_this_interpreter(name, arguments)
        return _python_command(arguments)
    path = _find(name)
    if path is None:
        raise _not_found(words)
    kind = _kind_of(path, words)
    options: tuple[str, ...] = ()
    if kind == FILE and not path.endswith(_SUFFIXES):
        options = _shebang_options(path, words)
    return Command(kind=kind, target=path, arguments=tuple(arguments), options=options)


def _python_command(words: Sequence[str]) -> Command:
    """Return what the words behind `python` name."""
    options, rest = _allowed_options(words)
    if not rest:
        raise UsageError(
            "`python` without a program is interactive, and `run` isn't",
            hint=f"write `{_line('python', *options, 'app.py')}`",
        )
    kind = {"-c": CODE, "-m": MODULE, "-": STDIN}.get(rest[0], FILE)
    if kind in (CODE, MODULE):
        del rest[0]
    target, *arguments = rest
    if kind == MODULE:
        _require_module(target, arguments)
    elif kind == FILE:
        if not os.path.exists(target):
            raise _not_found(rest)
        kind = _kind_of(target, rest)
        if kind == FILE and not target.endswith(_SUFFIXES):
            interpreter = "".join(shebang(target)[:1])
            if interpreter and not names_python(interpreter):
                raise _not_python(target, f"a program for `{interpreter}`", rest)
    return Command(kind=kind, target=target, arguments=tuple(arguments), options=options)


def split_options(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the interpreter's options from what follows: a path, `-`, `-c CODE`, `-m MODULE`.

    Each option is one word then: `-u`, `-Xdev`, `--help`; `-X` without a value has none.
    """
    options: list[str] = []
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        letters = rest.pop(0)[1:]
        if letters == "-":
            break
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in "cm":
                return options, [f"-{letter}", *filter(None, (letters,)), *rest]
            if letter in "-WX":
                if letter != "-" and not letters and rest:
                    letters = rest.pop(0)
                letter, letters = letter + letters, ""
            options.append(f"-{letter}")
    return options, rest


def _allowed_options(words: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Split the interpreter's options from what follows, and refuse what can't be passed on."""
    options, rest = split_options(words)
    for option in options:
        if option[1] not in f"{_FLAGS}WX":
            raise ProgramError(
                f"`run` can't pass the option `{option}` to `python`",
                hint="remove it: without `site`, nothing that is installed can be imported"
                if option == "-S"
                else "remove it",
            )
    for word in (*options, *rest):
        if word in ("-W", "-X") or ([word] == rest and word in ("-c", "-m")):
            raise UsageError(f"the option `{word}` of `python` needs a value")
    return tuple(options), rest


def names_python(path: str) -> bool:
    """Whether a program is Python by its name: `python`, `python3.11`, `pypy3`, …"""
    name = os.path.basename(path).rstrip("0123456789.")
    return name.removesuffix("w") in ("python", "pypy", "pythond")


def _require_this_interpreter(path: str, words: Sequence[str], where: str | None = None) -> None:
    """Refuse an interpreter that isn't the one of this process.

    A bare name whose version fits is this one, even if PATH has another.

    Args:
        path: the interpreter.
        words: what it is to run.
        where: the script that names it, if one does.
    """
    line = _line("python", *words)
    own_version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if "/" not in path:
        version = path.removeprefix("python")
        if not version or f"{own_version}.".startswith(f"{version}."):
            return
    elif not os.path.exists(path):
        raise ProgramNotFoundError(
            f"there is no interpreter `{path}`", where=where, hint=f"write `{line}`"
        )
    elif is_this_interpreter(path):
        return
    raise ProgramError(
        f"`{path}` isn't the interpreter of this environment",
        expected=f"{sys.executable}, Python {own_version}",
        where=where,
        hint=f"write `{line}`, or use the `coral-runtime` of that one",
    )


def is_this_interpreter(path: str) -> bool:
    """Whether running an interpreter that exists would give the environment of this process.

    A virtual environment is known by the directory of the interpreter's link (PEP 405), any
    other by the file behind it.
    """
    directory = os.path.dirname(path)
    if sys.prefix != sys.base_prefix:
        return os.path.realpath(directory) == os.path.realpath(os.path.dirname(sys.executable))
    is_virtual = any(
        os.path.exists(os.path.join(directory, level, "pyvenv.cfg")) for level in (".", os.pardir)
    )
    return not is_virtual and os.path.samefile(path, sys.executable)


def _require_module(name: str, arguments: Sequence[str]) -> None:
    """Refuse a module that can't be found, before anything is activated for it."""
    found = _found_module(name)
    if found is None:
        top = name.partition(".")[0]
        raise ProgramNotFoundError(
            f"there is no module `{name if _found_module(top) else top}`",
            hint=f"write `{_line('python', name, *arguments)}`"
            if os.path.exists(name)
            else "name a Python file, or a module that is installed",
        )
    if found.search is not None and not _found_module(f"{name}.__main__"):
        raise ProgramNotFoundError(
            f"the package `{name}` has no module `__main__`, so it can't be run",
            where=found.origin,
            hint=f"name one of its modules: `{_line('python', '-m', f'{name}.MODULE')}`",
        )


def _found_module(name: str) -> FoundModule | None:
    chain = import_chain(name, search=[working_directory(), *sys.path])
    return chain[-1] if chain and chain[-1].name == name else None


def working_directory() -> str:
    """Return the working directory.

    Raises:
        UsageError: it has been removed.
    """
    try:
        return os.getcwd()
    except OSError as error:
        raise UsageError(
            f"the working directory can't be found: {error.strerror}",
            hint="start from a directory that exists",
        ) from None


def _find(name: str) -> str | None:
    if os.path.isfile(name):
        return name
    if "/" not in name:
        search = os.environ.get("PATH", "").split(os.pathsep)
        for directory in (os.path.dirname(sys.executable), *search):
            if directory and os.path.isfile(os.path.join(directory, name)):
                return os.path.join(directory, name)
    return name if os.path.exists(name) else None


def _not_found(words: Sequence[str]) -> ProgramNotFoundError:
    """Return the error about a program that doesn't exist, with what was probably meant."""
    name, *arguments = words
    meant = None
    if os.path.isfile(f"{name}.py"):
        meant = _line("python", f"{name}.py", *arguments)
    elif "/" not in name and _find(name):
        meant = _line(name, *arguments)
    elif name.replace(".", "_").isidentifier() and _found_module(name):
        meant = _line("python", "-m", name, *arguments)
    return ProgramNotFoundError(
        f"there is no program `{name}`",
        hint=f"write `{meant}`"
        if meant
        else "name a Python file, a module (`python -m MODULE`) or an installed script",
    )


def _kind_of(path: str, words: Sequence[str]) -> str:
    """Distinguish a file from an archive, as Python does.

    Raises:
        ProgramError: it is a directory without a program, a binary, or can't be read.
    """
    if os.path.isdir(path):
        if os.path.isfile(os.path.join(path, "__main__.py")):
            return ARCHIVE
        raise ProgramError(
            f"the directory `{path}` has no `__main__.py`, so it can't be run",
            where=path,
            hint="name a Python file in it, or a module with `python -m MODULE`",
        )
    head = _head(path)
    if path.endswith(_SUFFIXES):
        return FILE
    import zipimport

    try:
        zipimport.zipimporter(path)
    except zipimport.ZipImportError:
        if b"\0" in head:
            raise _not_python(path, "a binary", words) from None
        return FILE
    return ARCHIVE


def _head(path: str) -> bytes:
    try:
        descriptor, _ = open_regular_file(path)
        try:
            return os.read(descriptor, _HEAD_BYTES)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ProgramError(f"`{path}` can't be read: {error.strerror}", where=path) from None


def _shebang_options(path: str, words: Sequence[str]) -> tuple[str, ...]:
    """Return the options that a script's first line has for the interpreter.

    Raises:
        ProgramError: it isn't written for Python, or is for another environment's.
    """
    interpreter, *options = shebang(path) or [""]
    if not names_python(interpreter):
        what = f"a program for `{interpreter}`" if interpreter else None
        raise _not_python(path, what, words)
    _require_this_interpreter(interpreter, [path, *words[1:]], where=path)
    return _allowed_options(options)[0]


def shebang(path: str) -> list[str]:
    """Return the interpreter that a file's first line names, and its options, or nothing.

    `/usr/bin/env` is skipped. If the interpreter's path is too long for the kernel or has
    spaces, installers write a line for `sh`, which Python takes for a string:
    `'''exec' "/path to/python" "$0" "$@"`.
    """
    lines = _head(path).decode("utf-8", "replace").split("\n")
    if not lines[0].startswith("#!"):
        return []
    command = lines[0][2:].split()
    if lines[1:2] and lines[1].startswith("'''exec' "):
        if "$(" in lines[1]:
            # A relocatable script looks for the interpreter in its own directory.
            return [os.path.join(os.path.dirname(path), "python")]
        from shlex import split

        try:
            return split(lines[1])[1:-2]
        except ValueError:
            # Its quotes don't end, so `sh` couldn't run it either.
            return []
    if command and os.path.basename(command[0]) == "env":
        del command[0]
        while command and (command[0].startswith("-") or "=" in command[0]):
            del command[0]
    return command


def _not_python(path: str, what: str | None, words: Sequence[str]) -> ProgramError:
    """Return the error about a program that isn't Python's, with what was probably meant."""
    hint = f"write `{_line('python', path, *words[1:])}`"
    if what is not None:
        hint = "write `coral-runtime run --locked -- python …` in it, where it starts Python"
        for index, word in enumerate(words[1:], 1):
            if names_python(word) or word.endswith(".py"):
                from shlex import join

                hint = f"write `{join(words[:index])} {_line(*words[index:])}`"
                break
    return ProgramError(
        f"`{path}` isn't a Python program" + (f", but {what}" if what else ""),
        where=path,
        hint=hint,
    )


def _line(*words: str) -> str:
    """Return the command line that runs these words."""
    from shlex import join

    return f"coral-runtime run --locked -- {join(words)}"
