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
        raise _not_found("program", name, arguments)
    return _file_command(path, arguments)


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
    if kind == FILE:
        if not os.path.exists(target):
            raise _not_found("program", target, arguments)
        return _file_command(target, arguments, options)
    if kind == MODULE:
        _require_module(target, arguments)
    return Command(kind=kind, target=target, arguments=tuple(arguments), options=options)


def _file_command(
    path: str, arguments: Sequence[str], options: tuple[str, ...] | None = None
) -> Command:
    """Return the command that runs a file, an archive or a directory.

    Args:
        path: where it is.
        arguments: what follows it.
        options: the interpreter's; None if the path alone is named, so that a script's first
            line has to name Python, and the options.
    """
    kind = _kind_of(path)
    if kind == FILE and not path.endswith(_SUFFIXES):
        interpreter, *own_options = shebang(path) or [""]
        if interpreter and not names_python(interpreter):
            raise _not_python(path, f"a program for `{interpreter}`")
        if options is None:
            if not interpreter:
                raise ProgramError(
                    f"`{path}` isn't a Python program",
                    where=path,
                    hint=f"write `{_line('python', path, *arguments)}`",
                )
            _require_this_interpreter(interpreter, [path, *arguments], where=path)
            options = _allowed_options(own_options)[0]
    return Command(kind=kind, target=path, arguments=tuple(arguments), options=options or ())


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
                hint="remove it",
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
    if found is not None and found.search is not None:
        name = f"{name}.__main__"
        found = _found_module(name)
    if found is None:
        raise _not_found("module", name, arguments)


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


def _not_found(what: str, name: str, arguments: Sequence[str]) -> ProgramNotFoundError:
    """Return the error about what doesn't exist, with the words that were probably meant."""
    is_module = name.replace(".", "_").isidentifier() and _found_module(name) is not None
    ways: tuple[tuple[object, tuple[str, ...]], ...] = (
        (os.path.isfile(name), ("python", name)),
        (os.path.isfile(f"{name}.py"), ("python", f"{name}.py")),
        ("/" not in name and _find(name), (name,)),
        (is_module, ("python", "-m", name)),
    )
    hint = "name a Python file, a module (`python -m MODULE`) or an installed script"
    for is_meant, words in ways:
        if is_meant:
            hint = f"write `{_line(*words, *arguments)}`"
            break
    return ProgramNotFoundError(f"there is no {what} `{name}`", hint=hint)


def _kind_of(path: str) -> str:
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
            raise _not_python(path, "a binary") from None
        return FILE
    return ARCHIVE


def _head(path: str) -> bytes:
    try:
        with open_regular_file(path) as (descriptor, _):
            return os.read(descriptor, _HEAD_BYTES)
    except OSError as error:
        raise ProgramError(f"`{path}` can't be read: {error.strerror}", where=path) from None


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


def _not_python(path: str, what: str) -> ProgramError:
    return ProgramError(
        f"`{path}` isn't a Python program, but {what}",
        where=path,
        hint="write `coral-runtime run --locked -- python …` where it starts Python",
    )


def _line(*words: str) -> str:
    """Return the command line that runs these words."""
    from shlex import join

    return f"coral-runtime run --locked -- {join(words)}"
