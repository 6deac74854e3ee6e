"""A project's `pyproject.toml` as a document whose values know their place."""

from __future__ import annotations

import os

from coral_lock.document.node import Place
from coral_lock.errors import InputError
from coral_lock.printable import shortened
from coral_lock.safe_read import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, TypeAlias

    from tomlkit import TOMLDocument

    Path: TypeAlias = tuple[str, ...]

PYPROJECT = "pyproject.toml"
MAX_PYPROJECT_BYTES = 512 * 1024


class Pyproject:
    """The parsed file.

    Args:
        path: the file, absolute.
        text: its whole text.
        document: the text as tomlkit reads it, which keeps style and comments.
    """

    def __init__(self, path: str, text: str, document: TOMLDocument) -> None:
        self.path = path
        self.text = text
        self.document = document
        self._values: Mapping[str, Any] = document.unwrap()

    def get(self, *path: str) -> Any:
        """Return the plain value at a path of keys, or None where there is none."""
        value: Any = self._values
        for key in path:
            if not isinstance(value, dict) or key not in value:
                return None
            value = value[key]
        return value

    def table(self, *path: str) -> Mapping[str, Any]:
        """Return the table at a path of keys; an empty one where there is none."""
        value = self.get(*path)
        return value if isinstance(value, dict) else {}

    def texts(self, *path: str) -> tuple[str, ...]:
        """Return the strings in the array at a path of keys; none where there is no such array."""
        value = self.get(*path)
        items = value if isinstance(value, list) else ()
        return tuple(item for item in items if isinstance(item, str))

    def string(self, *path: str) -> str | None:
        """Return the string at a path of keys, or None where there is none."""
        value = self.get(*path)
        return value if isinstance(value, str) else None

    def places(self, paths: Sequence[Path]) -> dict[Path, Place]:
        """Return where in the text the values at these paths of keys begin.

        A value that can't be found has the place of the file's start.
        """
        found = spans(self.text, paths)
        return {path: self.place(found[path][0] if path in found else 0) for path in paths}

    def place(self, offset: int) -> Place:
        """Return the place of the character at `offset`, for messages."""
        line = self.text.count("\n", 0, offset) + 1
        column = offset - self.text.rfind("\n", 0, offset)
        return Place(source=display_path(self.path), line=line, column=column)


def read_pyproject(directory: str) -> Pyproject:
    """Return the `pyproject.toml` of a project's directory.

    Raises:
        InputError: there is none, it can't be read, or it isn't TOML; with the position.
    """
    root = os.path.abspath(directory)
    path = os.path.join(root, PYPROJECT)
    text = _read_text(path, directory)
    return Pyproject(path, text, parse_toml(text, display_path(path)))


def parse_toml(text: str, source: str) -> TOMLDocument:
    """Return a text as a TOML document.

    Raises:
        InputError: it isn't TOML; with the position.
    """
    import tomlkit
    from tomlkit.exceptions import ParseError, TOMLKitError

    try:
        document = tomlkit.parse(text)
        document.unwrap()
    except ParseError as error:
        reason = str(error).partition(" at line ")[0]
        raise InputError(
            f"not TOML: {_uncapitalized(reason)}",
            where=f"{source}:{error.line}:{error.col + 1}",
        ) from None
    except RecursionError:
        raise InputError("the document is nested too deep", where=source) from None
    except (TOMLKitError, ValueError, TypeError, LookupError, AttributeError) as error:
        # tomlkit lets through what its own code stumbles over in some broken documents.
        raise InputError(f"not TOML: {shortened(str(error))}", where=source) from None
    return document


def spans(text: str, paths: Sequence[Path]) -> dict[Path, tuple[int, int]]:
    """Return where the values at paths of keys begin and end in the text of a document.

    tomlkit keeps no positions, so each value is replaced by a mark in a copy of the document:
    what the copy's text has before a mark is what the text has before the value.
    """
    import tomlkit

    mark = "mark"
    while mark in text:
        mark += "s"
    copy: Any = tomlkit.parse(text)
    lengths = []
    for number, path in enumerate(paths):
        container = copy
        for key in path[:-1]:
            container = container[key]
        lengths.append(_length(container[path[-1]]))
        container[path[-1]] = f"{mark}-{number}-"
    before, *pieces = tomlkit.dumps(copy).split(f'"{mark}-')
    found: dict[Path, tuple[int, int]] = {}
    offset = 0
    for piece in pieces:
        if not text.startswith(before, offset):
            break
        start = offset + len(before)
        number_text, _, before = piece.partition('-"')
        offset = start + lengths[int(number_text)]
        found[paths[int(number_text)]] = (start, offset)
    return found


def _length(item: Any) -> int:
    """Return how long a value's text is; tomlkit hands booleans out as Python's own."""
    return len(str(item) if isinstance(item, bool) else item.as_string())


def _uncapitalized(sentence: str) -> str:
    """Return a sentence of tomlkit's in the form of ours."""
    return sentence[:1].lower() + sentence[1:] if sentence[1:2].islower() else sentence


def display_path(path: str) -> str:
    """Return how messages call a file: relative to the working directory if it lies below."""
    absolute = os.path.abspath(path)
    try:
        relative = os.path.relpath(absolute)
    except (OSError, ValueError):
        return absolute
    return absolute if relative.startswith(os.pardir) else relative


def _read_text(path: str, directory: str) -> str:
    source = display_path(path)
    try:
        content = read_regular_file(path, MAX_PYPROJECT_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            "there is no `pyproject.toml`, so this is no project",
            where=display_path(directory),
            hint="name the directory of the plugin's project",
        ) from None
    except OSError as error:
        raise InputError(f"`{PYPROJECT}` can't be read: {error.strerror}", where=source) from None
    except ValueError:
        raise InputError("the project's path can't be a path", where=repr(directory)) from None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"`{PYPROJECT}` isn't UTF-8",
            expected="UTF-8",
            found=f"byte 0x{content[error.start]:02x}",
            where=f"{source}:{line}",
            hint="save the file as UTF-8",
        ) from None
