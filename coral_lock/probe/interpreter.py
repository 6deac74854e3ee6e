"""Asking another interpreter what it is and where its distributions are."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.markers import default_environment

from coral_lock.child_process import PRINTED, TOOK_LONGER, bare_environment, run_child
from coral_lock.errors import InputError, printable, shortened
from coral_lock.safe_files import read_regular_file
from coral_lock.targets.environment import TargetEnvironment, environment_of
from coral_lock.targets.machine import Machine, platform_of
from coral_lock.targets.model import Target, tag_of

TIME_LIMIT = 10.0
OLDEST = (3, 10)

_CHILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "child.py")
_PLACES = (("bin", "python"), ("bin", "python3"), ("Scripts", "python.exe"))
_HINT = "name the file of a Python interpreter, or the directory of a virtual environment"
_MAX_TEXT = 4096
_MAX_ITEMS = 1000
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
        environment: the markers, and the wheel tags where it is a usual CPython.
    """

    executable: str
    path: tuple[str, ...]
    standard_library: tuple[str, ...]
    built_in_modules: tuple[str, ...]
    extension_suffixes: tuple[str, ...]
    machine: Machine
    environment: TargetEnvironment


class AnswerError(Exception):
    """An answer can't be right; the message is a phrase without a final period."""


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
    command = (executable, "-I", "-S", "-B", _CHILD, mark)
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
    expected = f"Python {_dotted(OLDEST)} or newer"
    try:
        facts = _facts_of(answer[len(mark) :])
    except AnswerError as error:
        raise InputError(
            f"`{path}` doesn't answer as a Python interpreter does: {error}",
            expected=expected,
            found=found,
            where=executable,
            hint=_HINT,
        ) from None
    if tuple(facts["version"]) < OLDEST:
        raise InputError(
            f"the interpreter `{path}` is too old",
            expected=expected,
            found=f"Python {_dotted(facts['version'])}",
            where=os.path.abspath(path),
            hint="name a newer interpreter",
        )
    return _interpreter(facts)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_TEXT and "\0" not in value


def _is_path(value: object) -> bool:
    return isinstance(value, str) and _is_text(value) and os.path.isabs(value)


def _is_list(value: object, is_item: Callable[[object], bool]) -> bool:
    return isinstance(value, list) and len(value) <= _MAX_ITEMS and all(map(is_item, value))


def _is_version(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(type(part) is int and 0 <= part < 10_000 for part in value)
    )


def _is_marker_environment(value: object) -> bool:
    names = default_environment().keys()
    return isinstance(value, dict) and value.keys() == names and all(map(_is_text, value.values()))


_KINDS: Mapping[str, Callable[[object], bool]] = {
    "a version": _is_version,
    "a text": _is_text,
    "an absolute path": _is_path,
    "a list of texts": lambda value: _is_list(value, _is_text),
    "a list of absolute paths": lambda value: _is_list(value, _is_path),
    "true or false": lambda value: isinstance(value, bool),
    "the marker environment": _is_marker_environment,
}
_FACTS = {
    "version": "a version",
    "executable": "an absolute path",
    "standard_library": "a list of absolute paths",
    "site_directories": "a list of absolute paths",
    "built_in_modules": "a list of texts",
    "extension_suffixes": "a list of texts",
    "is_usual_build": "true or false",
    "markers": "the marker environment",
    "system": "a text",
    "machine": "a text",
    "is_narrow": "true or false",
    "libc": "a text",
    "release": "a text",
}
"""The fields of `child.describe_interpreter`, and the kind of each."""


def _facts_of(text: str) -> dict[str, Any]:
    """Return the facts of an answer, a JSON object of exactly these fields.

    Raises:
        AnswerError: it is anything else.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise AnswerError("it printed no description of itself") from None
    if not isinstance(document, dict) or document.keys() != _FACTS.keys():
        raise AnswerError("it has missing or additional fields")
    for field, kind in _FACTS.items():
        if not _KINDS[kind](document[field]):
            raise AnswerError(f"`{field}` isn't {kind}")
    return document


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
    candidates = (os.path.join(place, *parts) for parts in _PLACES)
    found = [candidate for candidate in candidates if os.path.exists(candidate)]
    if found and os.path.isfile(os.path.join(place, "pyvenv.cfg")):
        return found[0]
    raise InputError(
        f"`{path}` isn't a virtual environment",
        expected="`pyvenv.cfg` and `bin/python` in it",
        where=place,
        hint=f"name the interpreter itself: `{found[0]}`"
        if found
        else "name the file of a Python interpreter; for a directory of installed "
        "distributions write `--site-packages DIR`",
    )


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


def _interpreter(facts: Mapping[str, Any]) -> Interpreter:
    platform = platform_of(
        facts["system"],
        facts["machine"],
        is_narrow=facts["is_narrow"],
        libc=facts["libc"],
        release=facts["release"],
    )
    machine = Machine(python=_dotted(facts["version"]), platform=platform)
    return Interpreter(
        executable=facts["executable"],
        path=_with_pth_entries(facts["site_directories"]),
        standard_library=tuple(facts["standard_library"]),
        built_in_modules=tuple(facts["built_in_modules"]),
        extension_suffixes=tuple(facts["extension_suffixes"]),
        machine=machine,
        environment=TargetEnvironment(
            markers=dict(sorted(facts["markers"].items())),
            tags=_tags(facts, machine),
        ),
    )


def _tags(facts: Mapping[str, Any], machine: Machine) -> tuple[str, ...]:
    """Return the wheel tags of a usual CPython; of other interpreters they aren't known."""
    if facts["markers"]["implementation_name"] != "cpython" or not facts["is_usual_build"]:
        return ()
    try:
        target = Target(
            name="interpreter", python=machine.python, platform=tag_of(machine.platform) or ""
        )
    except ValueError:
        return ()
    return environment_of(target).tags
