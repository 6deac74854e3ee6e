"""Adding to a `pyproject.toml`, whose style and comments stay."""

from __future__ import annotations

import copy
import re

from coral_lock.author.pyproject import parse_toml, spans
from coral_lock.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from coral_lock.author.pyproject import Path


def with_member(text: str, table: Path, key: str, member: Any, source: str) -> str:
    """Return the text of a document in which an array has one more member.

    Args:
        text: the document.
        table: the keys that lead to the table with the array; made where there is none.
        key: the array's key; made where there is none.
        member: the plain value to append.
        source: how messages call the document.

    Raises:
        InputError: something else than a table or an array stands there, or the document is
            written in a way that can't be added to.
    """
    return _with(text, table, key, member, source, is_array=True)


def with_entry(text: str, table: Path, key: str, value: str, source: str) -> str:
    """Return the text of a document in which a table has one more key with a string.

    Raises:
        InputError: as `with_member`.
    """
    return _with(text, table, key, value, source, is_array=False)


def _with(text: str, table: Path, key: str, value: Any, source: str, *, is_array: bool) -> str:
    document: Any = parse_toml(text, source)
    try:
        expected = _expected(document.unwrap(), table, key, value, is_array)
        new = _changed(text, document, table, key, value, is_array)
        if parse_toml(new, source).unwrap() == expected:
            return new
    except (InputError, LookupError, TypeError, ValueError, AttributeError):
        # The values are of another kind, or tomlkit can't add to what it reads.
        pass
    kind = f"an array `{key}` with {_toml(value)} in it" if is_array else f"{key} = {_toml(value)}"
    raise InputError(
        f"`{'.'.join(table)}` can't be added to",
        expected=kind,
        where=source,
        hint="write it there by hand",
    )


def _expected(values: Any, table: Path, key: str, value: Any, is_array: bool) -> Any:
    """Return a document's plain values with the addition.

    Raises:
        AttributeError: something else stands where a table or an array is to be.
    """
    values = copy.deepcopy(values)
    container = values
    for part in table:
        container = container.setdefault(part, {})
    if is_array:
        container.setdefault(key, []).append(value)
    else:
        container.update({key: value})
    return values


def _changed(text: str, document: Any, table: Path, key: str, value: Any, is_array: bool) -> str:
    container = _container(document, table)
    line = f"{_toml_key(key)} = {_toml([value] if is_array else value)}"
    if container is None:
        return _with_section(text, table, line)
    if is_array and key in container:
        container[key].append(_parsed(value))
        return _in_style_of(text, document.as_string())
    last = _last_key(container)
    if last is None:
        container[key] = _parsed([value] if is_array else value)
        return _in_style_of(text, document.as_string())
    path = (*table, last)
    end = text.find("\n", spans(text, [path])[path][1]) + 1 or len(text)
    before = text[:end] if text.endswith("\n", 0, end) else f"{text}\n"
    return _in_style_of(text, f"{before}{line}\n{text[end:]}")


def _last_key(container: Any) -> str | None:
    """Return the last key that has a line of its own in a table with a header, or None."""
    from tomlkit.items import AoT, Table

    if not isinstance(container, Table):
        return None
    own = [key for key, item in container.items() if not isinstance(item, (Table, AoT))]
    return own[-1] if own else None


def _container(document: Any, table: Path) -> Any:
    """Return a table that is written out, or None where there is none or only its parts are."""
    container = document
    for part in table:
        if part not in container:
            return None
        container = container[part]
    is_implied = getattr(container, "is_super_table", None)
    return None if is_implied is not None and is_implied() else container


def _parsed(value: Any) -> Any:
    import tomlkit

    return tomlkit.parse(f"value = {_toml(value)}")["value"]


def _with_section(text: str, table: Path, line: str) -> str:
    header = ".".join(map(_toml_key, table))
    if text and not text.endswith("\n"):
        text += "\n"
    return _in_style_of(text, f"{text}\n[{header}]\n{line}\n")


def _in_style_of(text: str, new: str) -> str:
    """Return a new text with the line ends of the old one, and one at its end."""
    if not new.endswith("\n"):
        # tomlkit ends no line behind the last key that it is given.
        new += "\n"
    if re.search("(?<!\r)\n", text) or "\r\n" not in text:
        return new
    return re.sub("(?<!\r)\n", "\r\n", new)


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[\w-]+", key, re.ASCII) else _toml(key)


def _toml(value: Any) -> str:
    """Return a plain value as TOML on one line."""
    import tomlkit

    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        members = ", ".join(f"{_toml_key(key)} = {_toml(item)}" for key, item in value.items())
        return f"{{{members}}}"
    return str(tomlkit.string(value).as_string())
