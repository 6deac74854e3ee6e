"""Mapping ⇄ model: a lock's JSON document and the `Lock` that it states.

Both ways follow the fields that `entries` and `model.Lock` declare, in their order.
"""

from __future__ import annotations

from coral_lock.canonical_json import join_path
from coral_lock.errors import InvalidLockError, LockVersionError
from coral_lock.lockfile.entries import (
    ExcludedPlugin,
    Field,
    Host,
    HostPackage,
    LockedDistribution,
    LockedPlugin,
)
from coral_lock.lockfile.model import LOCK_VERSION, Lock
from coral_lock.targets.model import Target, is_platform_tag, is_python_version, is_target_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from coral_lock.canonical_json import Value
    from coral_lock.record import Record


def to_mapping(entry: Record) -> dict[str, Value]:
    """Return the document of a lock, or the object of one of its entries, without its key."""
    mapping: dict[str, Value] = {}
    for field, write in _WRITERS[type(entry)]:
        value = getattr(entry, field.name)
        if not (field.is_left_out and value == field.default):
            mapping[field.name] = value if write is None else write(value)
    return mapping


def sorted_data(value: Value) -> Value:
    """Return free-form data with the keys of every object sorted."""
    if isinstance(value, dict):
        return {key: sorted_data(value[key]) for key in sorted(value)}
    if isinstance(value, (list, tuple)):
        return [sorted_data(item) for item in value]
    return value


def from_mapping(document: Value) -> Lock:
    """Return the lock that `document` states.

    Unknown fields are refused, except in a document of a later minor version, where a
    reader is expected to ignore them.

    Raises:
        LockVersionError: the document is of another major version.
        InvalidLockError: a field is missing, unknown or of the wrong type, or the content
            breaks an invariant of `Lock`; with the dotted path.
    """
    try:
        if not isinstance(document, dict):
            raise _wrong_type("an object", document)
        version = document.get("lock_version")
        is_strict = not (isinstance(version, str) and is_later_minor(version))
        lock: Lock = _record(Lock, document, is_strict)
    except _Misfit as misfit:
        path = ""
        for step in reversed(misfit.steps):
            path = join_path(path, step)
        raise InvalidLockError(misfit.message, path=path) from None
    return lock


def is_later_minor(version: str) -> bool:
    """Whether a lock of that format version is of this major version but a later minor one.

    Raises:
        LockVersionError: it is of another major version, or not written `major.minor`.
    """
    major, _, minor = version.partition(".")
    known_major, _, known_minor = LOCK_VERSION.partition(".")
    if not (_is_number(major) and _is_number(minor)):
        raise InvalidLockError(
            f"a lock version is written like `{LOCK_VERSION}`, not `{version}`",
            path="lock_version",
        )
    if major != known_major:
        raise LockVersionError(
            f"the lock has the format version `{version}`, which this release can't read",
            expected=f"format version {known_major}.x",
            found=version,
            where="lock_version",
            hint=f"upgrade coral-lock to a release that reads format version {version}"
            if int(major) > int(known_major)
            else "write the lock again with `coral-runtime lock`",
        )
    return int(minor) > int(known_minor)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10 and text in ("0", text.lstrip("0"))


class _Misfit(Exception):
    """The document doesn't have the form; `steps` are gathered from the inside out."""

    def __init__(self, message: str, *steps: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.steps = list(steps)


def _record(kind: type[Any], values: Value, is_strict: bool, *key: str) -> Any:
    """Return the record that an object states; `key` is what it stands under, if anything."""
    if not isinstance(values, dict):
        raise _wrong_type("an object", values)
    readers = _READERS[kind]
    given: dict[str, Any] = {}
    name = ""
    try:
        for name, read, is_left_out in readers:
            if name in values:
                given[name] = read(values[name], is_strict)
            elif not is_left_out:
                raise _Misfit(f"the field `{name}` is missing")
    except _Misfit as misfit:
        if name in values:
            misfit.steps.append(name)
        raise
    if is_strict and len(given) < len(values):
        name = next(name for name in values if name not in given)
        raise _Misfit(f"unknown field `{name}`", name)
    if key:
        given[_KEYS[kind]] = key[0]
    if kind is Target:
        _check_target(**given)
    return kind(**given)


def _check_target(name: str, python: str, platform: str) -> None:
    for text, is_right, field, rule in (
        (name, is_target_name, (), "a target's name consists of a-z, 0-9, `.`, `_` and `-`"),
        (python, is_python_version, ("python",), "a target's Python is written like `3.10`"),
        (
            platform,
            is_platform_tag,
            ("platform",),
            "a target's platform is a tag like `manylinux_2_31_aarch64`",
        ),
    ):
        if len(text) > _LONGEST_TARGET_FIELD or not is_right(text):
            raise _Misfit(f"{rule}, not `{text}`", *field)


_LONGEST_TARGET_FIELD = 100


def _text(value: Value, _: bool) -> str:
    if not isinstance(value, str):
        raise _wrong_type("a string", value)
    return value


def _optional_text(value: Value, _: bool) -> str | None:
    if value is not None and not isinstance(value, str):
        raise _wrong_type("a string or null", value)
    return value


def _flag(value: Value, _: bool) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type("true or false", value)
    return value


def _texts(value: Value, _: bool) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _wrong_type("an array of strings", value)
    for index, item in enumerate(value):
        if not isinstance(item, str):
            raise _wrong_type("a string", item, index)
    return tuple(value)


def _data(value: Value, _: bool) -> Mapping[str, Value]:
    if not isinstance(value, dict):
        raise _wrong_type("an object", value)
    return value


def _each(read: Callable[[Value, bool], Any]) -> Callable[[Value, bool], dict[str, Any]]:
    """Return what reads an object whose values are all of one type."""

    def read_all(value: Value, is_strict: bool) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wrong_type("an object", value)
        result, key = {}, ""
        try:
            for key, item in value.items():
                result[key] = read(item, is_strict)
        except _Misfit as misfit:
            misfit.steps.append(key)
            raise
        return result

    return read_all


def _entries(kind: type[Record]) -> Callable[[Value, bool], tuple[Any, ...]]:
    """Return what reads the entries of one kind, each under its key."""

    def read_all(value: Value, is_strict: bool) -> tuple[Any, ...]:
        if not isinstance(value, dict):
            raise _wrong_type("an object", value)
        result, key = [], ""
        try:
            for key, item in value.items():
                result.append(_record(kind, item, is_strict, key))
        except _Misfit as misfit:
            misfit.steps.append(key)
            raise
        return tuple(result)

    return read_all


def _keyed(entries: tuple[Any, ...]) -> dict[str, Value]:
    key = _KEYS[type(entries[0])] if entries else ""
    return {getattr(entry, key): to_mapping(entry) for entry in entries}


def _sorted_items(values: Mapping[str, Value]) -> dict[str, Value]:
    return dict(sorted(values.items()))


def _wrong_type(expected: str, value: Value, *steps: int) -> _Misfit:
    found = {
        str: "a string",
        bool: "true or false",
        int: "a number",
        float: "a number",
        type(None): "null",
        dict: "an object",
        list: "an array",
    }.get(type(value), "another value")
    return _Misfit(f"expected {expected}, found {found}", *steps)


_TYPES: Mapping[str, tuple[Callable[[Value, bool], Any], Callable[[Any], Value] | None]] = {
    "str": (_text, None),
    "str | None": (_optional_text, None),
    "bool": (_flag, None),
    "tuple[str, ...]": (_texts, list),
    "Mapping[str, Any]": (_data, sorted_data),
    "Mapping[str, str]": (_each(_text), _sorted_items),
    "Mapping[str, tuple[str, ...]]": (_each(_texts), sorted_data),
    "Host": (lambda value, is_strict: _record(Host, value, is_strict), to_mapping),
    "HostPackage | None": (
        lambda value, is_strict: None if value is None else _record(HostPackage, value, is_strict),
        lambda package: None if package is None else to_mapping(package),
    ),
    **{
        f"tuple[{kind.__name__}, ...]": (_entries(kind), _keyed)
        for kind in (Target, LockedPlugin, ExcludedPlugin, LockedDistribution)
    },
}
"""How each type of a field is read and written."""

FIELDS: Mapping[type[Record], tuple[Field, ...]] = {
    **{kind: kind.fields for kind in (Host, HostPackage, Lock)},
    **{kind: kind.fields[1:] for kind in (LockedPlugin, ExcludedPlugin, LockedDistribution)},
    Target: (
        Field("python", "str", code="target-changed", changed="the Python version of {} changed"),
        Field("platform", "str", code="target-changed"),
    ),
}
"""The fields of each object; the first field of an entry is its key."""

_KEYS: Mapping[type[Record], str] = {kind: kind._fields[0] for kind in FIELDS}


def _type_of(field: Field) -> str:
    """Return the type as the document has it: what is left out where it is None isn't null."""
    return field.type.removesuffix(" | None") if field.is_left_out else field.type


_READERS = {
    kind: tuple((field.name, _TYPES[_type_of(field)][0], field.is_left_out) for field in fields)
    for kind, fields in FIELDS.items()
}
_WRITERS = {
    kind: tuple((field, _TYPES[_type_of(field)][1]) for field in fields)
    for kind, fields in FIELDS.items()
}
