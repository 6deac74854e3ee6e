"""Asking another interpreter what it is and where its distributions are."""

from __future__ import annotations

import json
import os

from coral_lock.child_process import PRINTED, TOOK_LONGER, bare_environment, run_child
from coral_lock.errors import InputError
from coral_lock.printable import printable, shortened
from coral_lock.record import Record
from coral_lock.safe_files import read_regular_file
from coral_lock.targets.environment import TargetEnvironment, environment_of
from coral_lock.targets.machine import Machine, platform_of
from coral_lock.targets.model import Target
from coral_lock.targets.wheel_tags import tag_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


_MAX_TEXT = 4096
_MAX_ITEMS = 1000
_MARKERS = frozenset(
    {
        "implementation_name",
        "implementation_version",
        "os_name",
        "platform_machine",
        "platform_python_implementation",
        "platform_release",
        "platform_system",
        "platform_version",
        "python_full_version",
        "python_version",
        "sys_platform",
    }
)
"""The variables of the marker environment (PEP 508), but for `extra`."""


class AnswerError(Exception):
    """An answer can't be right; the message is a phrase without a final period."""


class InterpreterFacts(Record):
    """What an interpreter says of itself; see `interpreter_child` for how it finds out."""

    version: tuple[int, int, int]
    executable: str
    standard_library: tuple[str, ...]
    site_directories: tuple[str, ...]
    built_in_modules: tuple[str, ...]
    extension_suffixes: tuple[str, ...]
    is_free_threaded: bool
    is_debug_build: bool
    markers: Mapping[str, str]
    system: str
    machine: str
    is_narrow: bool
    libc: str
    release: str


def facts_of_answer(text: str) -> InterpreterFacts:
    """Return the facts of an answer, a JSON object of exactly these fields.

    Raises:
        AnswerError: it is anything else.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise AnswerError("it says nothing of itself") from None
    if not isinstance(document, dict) or document.keys() != set(InterpreterFacts._fields):
        raise AnswerError("it leaves things out, or says too much")
    markers = document["markers"]
    if not isinstance(markers, dict) or markers.keys() != _MARKERS:
        raise AnswerError("`markers` isn't the marker environment")
    return InterpreterFacts(
        version=_stated_version(document),
        executable=_place(document["executable"], "executable"),
        standard_library=_places(document["standard_library"], "standard_library"),
        site_directories=_places(document["site_directories"], "site_directories"),
        built_in_modules=_texts(document["built_in_modules"], "built_in_modules"),
        extension_suffixes=_texts(document["extension_suffixes"], "extension_suffixes"),
        is_free_threaded=_flag(document, "is_free_threaded"),
        is_debug_build=_flag(document, "is_debug_build"),
        markers={name: _text(markers[name], name) for name in sorted(_MARKERS)},
        system=_text(document["system"], "system"),
        machine=_text(document["machine"], "machine"),
        is_narrow=_flag(document, "is_narrow"),
        libc=_text(document["libc"], "libc"),
        release=_text(document["release"], "release"),
    )


def _stated_version(document: Mapping[str, object]) -> tuple[int, int, int]:
    version = document["version"]
    if isinstance(version, list) and len(version) == 3:
        numbers = [part for part in version if type(part) is int and 0 <= part < 10_000]
        if len(numbers) == 3:
            return numbers[0], numbers[1], numbers[2]
    raise AnswerError("`version` isn't a version")


def _places(value: object, field: str) -> tuple[str, ...]:
    return tuple(_place(text, field) for text in _texts(value, field))


def _place(value: object, field: str) -> str:
    text = _text(value, field)
    if not os.path.isabs(text):
        raise AnswerError(f"`{field}` isn't absolute")
    return text


def _texts(value: object, field: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MAX_ITEMS:
        raise AnswerError(f"`{field}` isn't a list of texts")
    return tuple(_text(item, field) for item in value)


def _text(value: object, field: str) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT or "\0" in value:
        raise AnswerError(f"`{field}` isn't a text")
    return value


def _flag(document: Mapping[str, object], field: str) -> bool:
    value = document[field]
    if not isinstance(value, bool):
        raise AnswerError(f"`{field}` isn't true or false")
    return value


_MAX_BYTES = 1 << 20
_MAX_ENTRIES = 1000


def with_pth_entries(directories: Iterable[str]) -> tuple[str, ...]:
    """Return the path that `site` makes of site directories.

    Behind each directory stand the paths that its `.pth` files name, in the order of the
    files' names. Lines that begin with `import` would be run, and are passed over; so is
    what doesn't exist, and a file that can't be read. At most a thousand paths are taken.

    Args:
        directories: the site directories; one that isn't there is left out.
    """
    path: list[str] = []
    known: set[str] = set()
    for directory in map(os.path.abspath, directories):
        if not os.path.isdir(directory):
            continue
        for entry in (directory, *_entries(directory)):
            if os.path.normcase(entry) not in known and len(path) < _MAX_ENTRIES:
                known.add(os.path.normcase(entry))
                path.append(entry)
    return tuple(path)


def _entries(directory: str) -> Iterator[str]:
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    for name in names:
        if name.endswith(".pth") and not name.startswith("."):
            yield from _lines(directory, name)


def _lines(directory: str, name: str) -> Iterator[str]:
    try:
        text = read_regular_file(os.path.join(directory, name), _MAX_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return
    for line in text.splitlines():
        if not line.strip() or line.startswith(("#", "import ", "import\t")) or "\0" in line:
            continue
        entry = os.path.abspath(os.path.join(directory, line.rstrip()))
        if os.path.exists(entry):
            yield entry


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
    if end.ending and end.ending.startswith((TOOK_LONGER, PRINTED)):
        raise InputError(
            f"`{path}` {end.ending} to tell what it is",
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
