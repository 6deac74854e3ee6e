"""Frozen, keyword-only, slotted records for the paths that have to be fast.

A record is what a frozen dataclass with slots is. It isn't one because a device
pays for `import dataclasses` (with `re` and `inspect` behind it) at every start:
as much as a whole locked start is meant to take. And a dataclass compiles its methods
whenever its module is imported, which takes ten times as long as making a record: of
twenty of them `plugins list` would notice it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    from typing_extensions import Self
    from typing_extensions import dataclass_transform as dataclass_transform
else:

    def dataclass_transform(**_: object):
        return lambda decorated: decorated


@dataclass_transform(kw_only_default=True, frozen_default=True)
class RecordType(type):
    """Turns a class's annotations into slots and its class values into defaults."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> RecordType:
        own_fields = tuple(namespace.get("__annotations__", ()))
        defaults = {field: namespace.pop(field) for field in own_fields if field in namespace}
        namespace["__slots__"] = own_fields
        created = super().__new__(mcs, name, bases, namespace)
        inherited_fields: tuple[str, ...] = ()
        inherited_defaults: dict[str, Any] = {}
        for base in bases:
            inherited_fields += getattr(base, "_fields", ())
            inherited_defaults.update(getattr(base, "_defaults", {}))
        type.__setattr__(created, "_fields", inherited_fields + own_fields)
        type.__setattr__(created, "_defaults", {**inherited_defaults, **defaults})
        return created


class Record(metaclass=RecordType):
    """Base of all records: built from keywords, compared by value, never changed.

    Raises:
        TypeError: a field is missing or unknown.
    """

    if TYPE_CHECKING:
        _fields: ClassVar[tuple[str, ...]]
        _defaults: ClassVar[dict[str, Any]]
    else:

        def __init__(self, **values):
            set_field = object.__setattr__
            fields = self._fields
            if self._defaults:
                values = {**self._defaults, **values}
            try:
                for field in fields:
                    set_field(self, field, values[field])
            except KeyError:
                raise TypeError(f"{type(self).__name__} needs `{field}`") from None
            if len(values) > len(fields):
                unknown = min(values.keys() - set(fields))
                raise TypeError(f"{type(self).__name__} has no field `{unknown}`")
            self._check()

    def _check(self) -> None:
        """Hold the invariants of the record; called at the end of construction."""

    def replace(self, **changes: Any) -> Self:
        """Return a copy in which the fields of `changes` have new values."""
        return type(self)(**{**Record.to_dict(self), **changes})

    def to_dict(self) -> dict[str, Any]:
        """Return the values by field."""
        return {field: getattr(self, field) for field in self._fields}

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: `{name}` can't be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: `{name}` can't be deleted")

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, field) for field in self._fields)

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_fields, (type(self), Record.to_dict(self))

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other) or not isinstance(other, Record):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        values = self._values()
        try:
            return hash((type(self), values))
        except TypeError:
            return hash((type(self), _frozen(values)))

    def __repr__(self) -> str:
        fields = ", ".join(f"{field}={getattr(self, field)!r}" for field in self._fields)
        return f"{type(self).__name__}({fields})"


def _from_fields(kind: type[Record], fields: dict[str, Any]) -> Record:
    return kind(**fields)


def _frozen(value: object) -> object:
    """Return what equals where a value does, and can be hashed: records may hold plain data."""
    if isinstance(value, dict):
        return frozenset((key, _frozen(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(map(_frozen, value))
    return value
