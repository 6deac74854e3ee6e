"""Asking another interpreter what it is and where its distributions lie.

It runs isolated, so that no `.pth` file, no `sitecustomize` and nothing else that is
installed for it runs. What it answers is checked like any other input.
"""

from __future__ import annotations

import os

from coral_lock.child_process import bare_environment, run_child
from coral_lock.errors import InputError
from coral_lock.printable import printable, shortened
from coral_lock.probe.interpreter_answer import AnswerError, facts_of_answer
from coral_lock.probe.pth_files import with_pth_entries
from coral_lock.record import Record
from coral_lock.targets.environment import TargetEnvironment, environment_of
from coral_lock.targets.machine import Machine, platform_of
from coral_lock.targets.model import Target
from coral_lock.targets.platform import tag_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from coral_lock.probe.interpreter_answer import InterpreterFacts

TIME_LIMIT = 10.0
OLDEST = (3, 10)
_CHILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "interpreter_child.py")
_VERSION_PROGRAM = "import sys; print('%d.%d.%d' % tuple(sys.version_info[:3]))"
_PLACES = (("bin", "python"), ("bin", "python3"), ("Scripts", "python.exe"))
_HINT = "name the file of a Python interpreter, or the directory of a virtual environment"


class Interpreter(Record):
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


def ask_interpreter(path: str, time_limit: float = TIME_LIMIT) -> Interpreter:
    """Return what an interpreter tells about itself.

    Args:
        path: the interpreter's file, or the directory of a virtual environment (PEP 405).
        time_limit: the seconds that it may take.

    Raises:
        InputError: there is no interpreter, it doesn't answer, or it is older than 3.10.
    """
    executable = _executable(path)
    # Nothing that the program prints by itself can be taken for the answer.
    mark = os.urandom(8).hex()
    output = _ask(executable, ("-I", "-S", "-B", _CHILD, mark), path, time_limit)
    answer = next((line for line in output.splitlines() if line.startswith(mark)), "")
    try:
        facts = facts_of_answer(answer[len(mark) :])
    except AnswerError as error:
        _refuse_old(_version(executable, path, time_limit), path)
        raise InputError(
            f"`{path}` doesn't answer as a Python interpreter does: {error}",
            expected=f"Python {_dotted(OLDEST)} or newer",
            found=_first_line(output),
            where=executable,
            hint=_HINT,
        ) from None
    _refuse_old(facts.version, path)
    return _interpreter(facts)


def _executable(path: str) -> str:
    """Return the file of the interpreter, absolute; links are kept, as they say where it is."""
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


def _ask(executable: str, arguments: Sequence[str], path: str, time_limit: float) -> str:
    """Return what the interpreter prints, in which anything at all may stand.

    Raises:
        InputError: it can't be started, or doesn't end in time.
    """
    try:
        end = run_child(
            (executable, *arguments), time_limit=time_limit, environment=bare_environment()
        )
    except (OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"`{path}` can't be started: {what}",
            where=executable,
            hint="name the file of a Python interpreter that this user may run",
        ) from None
    printed = end.output.decode("utf-8", "replace")
    if end.excess:
        raise InputError(
            f"`{path}` didn't answer within {time_limit:g} s",
            found=_first_line(printed),
            where=executable,
            hint=f"see whether `{executable} -I -S -c pass` ends",
        )
    return printed


def _version(executable: str, path: str, time_limit: float) -> tuple[int, int, int] | None:
    """Return the version of an interpreter that gave no usable answer, None if it has none."""
    # Python 2 knows no `-I`; these three come to the same.
    answer = _ask(executable, ("-E", "-s", "-S", "-c", _VERSION_PROGRAM), path, time_limit)
    parts = answer.strip().split(".")
    if len(parts) != 3 or not all(
        part.isascii() and part.isdigit() and len(part) < 5 for part in parts
    ):
        return None
    return int(parts[0]), int(parts[1]), int(parts[2])


def _refuse_old(version: tuple[int, int, int] | None, path: str) -> None:
    if version is not None and version < OLDEST:
        raise InputError(
            f"the interpreter `{path}` is too old",
            expected=f"Python {_dotted(OLDEST)} or newer",
            found=f"Python {_dotted(version)}",
            where=os.path.abspath(path),
            hint="name a newer interpreter",
        )


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


def _first_line(output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    if not lines:
        return "nothing"
    return printable(shortened(lines[0].strip()))


def _interpreter(facts: InterpreterFacts) -> Interpreter:
    machine = Machine(
        python=_dotted(facts.version),
        platform=platform_of(
            facts.system,
            facts.machine,
            is_narrow=facts.is_narrow,
            libc=facts.libc,
            release=facts.release,
        ),
    )
    return Interpreter(
        executable=facts.executable,
        path=with_pth_entries(facts.site_directories),
        standard_library=facts.standard_library,
        built_in_modules=facts.built_in_modules,
        extension_suffixes=facts.extension_suffixes,
        machine=machine,
        environment=TargetEnvironment(
            target=None,
            python=machine.language_version,
            markers=facts.markers,
            tags=_tags(facts, machine),
        ),
    )


def _tags(facts: InterpreterFacts, machine: Machine) -> tuple[str, ...]:
    """Return the wheel tags of a usual CPython; of other interpreters they aren't known."""
    if (
        facts.markers["implementation_name"] != "cpython"
        or facts.is_free_threaded
        or facts.is_debug_build
    ):
        return ()
    try:
        target = Target(
            name="interpreter", python=machine.python, platform=tag_of(machine.platform) or ""
        )
    except ValueError:
        return ()
    return environment_of(target).tags
