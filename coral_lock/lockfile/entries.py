"""What a lock holds, as values. Each field is declared once, here.

From a declaration come reading and writing (below), the rules that hold for every field of its
type (`model`), `coral-runtime diff` (`difference`), and what keeps targets out of one lock
(`locking.combination`). `schemas/lock.schema.json` and `docs/lock-format.md` are tested against it.
"""

from __future__ import annotations

from coral_lock.names import split_plugin_id
from coral_lock.record import Record, RecordType, dataclass_transform
from coral_lock.targets.model import Target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from coral_lock.canonical_json import Value

    Read = Callable[[Value, bool], Any]
    Write = Callable[[Any], Value]


_REQUIRED: Any = object()
_UNNAMED = ""


class Field(Record):
    """A field of the document.

    Attributes:
        name: what it is called, in the document and as an attribute.
        type: its annotation, one of `_TYPES`.
        default: its value where it isn't given.
        is_left_out: whether the document leaves it out where it has its default.
        code: the code of its change, as `diff` reports it; by default `<name>-changed`.
        changed: the summary of its change; `{}` stands for the entry.
        risk: the code of the risk that its change is, as `difference.model` has it.
        noun: how a message names it where targets disagree. None: they may.
    """

    name: str
    type: str
    default: Any = _REQUIRED
    is_left_out: bool = False
    code: str = _UNNAMED
    changed: str = _UNNAMED
    risk: str = ""
    noun: str | None = _UNNAMED

    def _check(self) -> None:
        for attribute, value in (
            ("code", f"{self.name.replace('_', '-')}-changed"),
            ("changed", f"the {self.name} of {{}} changed"),
            ("noun", f"`{self.name}`"),
        ):
            if getattr(self, attribute) == _UNNAMED:
                object.__setattr__(self, attribute, value)


def declared(**attributes: Any) -> Any:
    """Declare a field; the arguments are the attributes of `Field`."""
    return attributes


# Reading and writing: a record ⇄ its object in the document.


class Misfit(Exception):
    """The document doesn't have the form; `steps` are gathered from the inside out."""

    def __init__(self, message: str, *steps: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.steps = list(steps)


def to_mapping(record: Record) -> dict[str, Value]:
    """Return the document of a lock, or the object of one of its entries, without its key."""
    mapping: dict[str, Value] = {}
    for field, _, write in _CODECS[type(record)]:
        value = getattr(record, field.name)
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


def read_fields(kind: type[Record], value: Value, is_strict: bool) -> dict[str, Any]:
    """Return the fields of a record that an object states.

    Raises:
        Misfit: one is missing or of the wrong type or, if `is_strict`, unknown.
    """
    values = _object(value, is_strict)
    given: dict[str, Any] = {}
    for field, read, _ in _CODECS[kind]:
        name = field.name
        if name in values:
            try:
                given[name] = read(values[name], is_strict)
            except Misfit as misfit:
                misfit.steps.append(name)
                raise
        elif not field.is_left_out:
            raise Misfit(f"the field `{name}` is missing")
    if is_strict and len(given) < len(values):
        unknown = next(name for name in values if name not in given)
        raise Misfit(f"unknown field `{unknown}`", unknown)
    return given


def _plain(kind: type | tuple[type, ...], expected: str) -> Read:
    """Return what reads a value of one kind as it is."""

    def read(value: Value, _: bool) -> Any:
        if not isinstance(value, kind):
            raise _wrong_type(expected, value)
        return value

    return read


def _texts(value: Value, _: bool) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _wrong_type("an array of strings", value)
    for index, item in enumerate(value):
        if not isinstance(item, str):
            raise _wrong_type("a string", item, index)
    return tuple(value)


def _each(read: Read) -> Callable[[Value, bool], dict[str, Any]]:
    """Return what reads an object whose values are all of one type."""

    def read_all(value: Value, is_strict: bool) -> dict[str, Any]:
        result = {}
        for key, item in _object(value, is_strict).items():
            try:
                result[key] = read(item, is_strict)
            except Misfit as misfit:
                misfit.steps.append(key)
                raise
        return result

    return read_all


def _wrong_type(expected: str, value: Value, *steps: int) -> Misfit:
    found = {
        str: "a string",
        bool: "true or false",
        int: "a number",
        float: "a number",
        type(None): "null",
        dict: "an object",
        list: "an array",
    }.get(type(value), "another value")
    return Misfit(f"expected {expected}, found {found}", *steps)


_text = _plain(str, "a string")
_object = _plain(dict, "an object")

_TYPES: dict[str, tuple[Read, Write | None]] = {
    "str": (_text, None),
    "str | None": (_plain((str, type(None)), "a string or null"), None),
    "bool": (_plain(bool, "true or false"), None),
    "tuple[str, ...]": (_texts, list),
    "Mapping[str, Any]": (_object, sorted_data),
    "Mapping[str, str]": (_each(_text), lambda values: dict(sorted(values.items()))),
    "Mapping[str, tuple[str, ...]]": (_each(_texts), sorted_data),
}
"""How each type of a field is read and written; `_declare` adds those of records."""

FIELDS: dict[type[Record], tuple[Field, ...]] = {}
"""The fields of each object of the document, without its key."""

_CODECS: dict[type[Record], tuple[tuple[Field, Read, Write | None], ...]] = {}


def _declare(kind: type[Record], fields: Iterable[Field]) -> None:
    """Note the fields of a record, and how it is read and written, alone and by its key."""
    key = kind._fields[0]
    own = tuple(field for field in fields if field.name not in ("id", "name"))
    FIELDS[kind] = own
    # What is left out where it is None isn't null.
    types = [each.type.removesuffix(" | None") if each.is_left_out else each.type for each in own]
    _CODECS[kind] = tuple((field, *_TYPES[each]) for field, each in zip(own, types))

    def read(value: Value, is_strict: bool) -> Record:
        return kind(**read_fields(kind, value, is_strict))

    def read_keyed(value: Value, is_strict: bool) -> tuple[Record, ...]:
        records = []
        for name, given in read_each(value, is_strict).items():
            try:
                records.append(kind(**{key: name}, **given))
            except ValueError as error:
                raise Misfit(str(error), name) from None
        return tuple(records)

    read_each = _each(lambda value, is_strict: read_fields(kind, value, is_strict))
    _TYPES[kind.__name__] = (read, to_mapping)
    _TYPES[f"{kind.__name__} | None"] = (
        lambda value, is_strict: None if value is None else read(value, is_strict),
        lambda record: None if record is None else to_mapping(record),
    )
    _TYPES[f"tuple[{kind.__name__}, ...]"] = (
        read_keyed,
        lambda records: {getattr(record, key): to_mapping(record) for record in records},
    )


_declare(
    Target,
    (
        Field(
            name="python",
            type="str",
            code="target-changed",
            changed="the Python version of {} changed",
        ),
        Field(name="platform", type="str", code="target-changed"),
    ),
)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(declared,))
class EntryType(RecordType):
    """Turns the annotations of a class into its `FIELDS`."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> RecordType:
        fields = []
        for field_name, annotation in namespace.get("__annotations__", {}).items():
            given = namespace.pop(field_name, _REQUIRED)
            attributes = given if isinstance(given, dict) else {"default": given}
            field = Field(name=field_name, type=annotation, **attributes)
            if field.default is not _REQUIRED:
                namespace[field_name] = field.default
            fields.append(field)
        created = super().__new__(mcs, name, bases, namespace)
        if fields and issubclass(created, Record):
            _declare(created, fields)
        return created


class Entry(Record, metaclass=EntryType):
    """A part of the lock. Its first field is the key in the document if it is `id` or `name`."""


class HostPackage(Entry):
    """A host distribution and its version, as its METADATA states it."""

    distribution: str = declared(code="host-changed")
    version: str = declared(code="host-changed")


class Host(Entry):
    """What plugins run on; None stands for a host whose version isn't known.

    `python` is the language version, `3.11`; None in a lock whose targets say it.
    """

    core: HostPackage | None
    inference: HostPackage | None
    python: str | None = declared(default=None, is_left_out=True)

    def packages(self) -> tuple[HostPackage, ...]:
        """Return the host distributions that are known."""
        return tuple(package for package in (self.core, self.inference) if package)


class LockedPlugin(Entry):
    """A plugin that a locked start activates; what its live spec must equal.

    `default_config_overrides` is configuration that holds where the descriptor says
    nothing, and `env` the environment variables without which the plugin can't start.
    `targets` are the names of the targets that it is for; none stands for all.
    """

    id: str
    distribution: str = declared(
        code="plugin-moved", changed="{} comes from another distribution", risk="entry-point-moved"
    )
    entry_point: str = declared(noun="entry point")
    description: str = declared(default="", changed="the description of {} changed")
    min_core_version: str | None = declared(
        default=None,
        noun="required core version",
    )
    min_inference_version: str | None = declared(
        default=None,
        noun="required inference version",
    )
    optional: bool = False
    after: tuple[str, ...] = declared(
        default=(), changed="{} is activated after other plugins", noun=None
    )
    default_config_overrides: Mapping[str, Any] = declared(
        default={},
        is_left_out=True,
        code="overrides-changed",
        changed="the default configuration of {} changed",
        noun="default configuration",
    )
    env: tuple[str, ...] = declared(
        default=(),
        is_left_out=True,
        changed="{} requires other environment variables",
        noun="required environment variables",
    )
    targets: tuple[str, ...] = declared(
        default=(), is_left_out=True, changed="{} is activated for other targets", noun=None
    )

    @property
    def group(self) -> str:
        return split_plugin_id(self.id)[0]

    @property
    def name(self) -> str:
        return split_plugin_id(self.id)[1]


class ExcludedPlugin(Entry):
    """A plugin that was found and left out.

    The id is `<group>:<name>`, or `<group>:<name>@<distribution>` where several
    distributions offer that name. `targets` are the targets for which it is left out; none
    stands for all. `target_reasons` are the reasons, by target, that aren't `reason`, which
    is that of the first one.
    """

    id: str
    distribution: str = declared(
        code="exclusion-changed", changed="{} is left out from another distribution"
    )
    reason: str = declared(code="exclusion-changed", changed="{} is left out for another reason")
    target_reasons: Mapping[str, str] = declared(
        default={},
        is_left_out=True,
        code="exclusion-changed",
        changed="{} is left out for other reasons on some targets",
    )
    targets: tuple[str, ...] = declared(
        default=(), is_left_out=True, changed="{} is left out for other targets"
    )


class LockedDistribution(Entry):
    """A distribution, the digest of its files by wheel tag, and the names it requires.

    No digest at all stands for an editable install, whose bytes aren't fixed.
    `data_digests` are those of its scripts, headers and data, by the wheel tags that have
    any; None if none has, and empty where other distributions overwrite them. `accepted`
    are the codes of the findings that the descriptor accepts from it, sorted; `program`
    says that the program itself requires it. `targets` are the targets that need it; none
    stands for all. `requires` holds for each of those, and `target_requires` are the names,
    by target, that only some of them require.
    """

    name: str
    version: str = declared(noun="version")
    digests: Mapping[str, str] = declared(noun=None)
    data_digests: Mapping[str, str] | None = declared(default=None, is_left_out=True, noun=None)
    accepted: tuple[str, ...] = declared(
        default=(), is_left_out=True, noun="list of accepted findings"
    )
    program: bool = declared(default=False, is_left_out=True)
    requires: tuple[str, ...] = declared(default=(), noun=None)
    target_requires: Mapping[str, tuple[str, ...]] = declared(
        default={}, is_left_out=True, noun=None
    )
    targets: tuple[str, ...] = declared(
        default=(), is_left_out=True, changed="{} is locked for other targets", noun=None
    )
