"""What an interpreter answers about itself, checked."""

from __future__ import annotations

import json
import os

from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

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
        version=_version(document),
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


def _version(document: Mapping[str, object]) -> tuple[int, int, int]:
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
