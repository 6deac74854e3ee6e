"""What a lock holds, as values. Each field is declared once, here.

From a declaration come reading and writing (`mapping`), the rules that hold for every field of
its type (`model`), `coral-runtime diff` (`difference`), and what keeps targets out of one lock
(`locking.combination`). `schemas/lock.schema.json` and `docs/lock-format.md` are tested against it.
"""

from __future__ import annotations

from coral_lock.names import split_plugin_id
from coral_lock.record import Record, RecordType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, ClassVar

    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_: object):
        return lambda decorated: decorated


_REQUIRED: Any = object()


class Field:
    """A field of the document.

    Attributes:
        name: what it is called, in the document and as an attribute.
        type: its annotation; `mapping` reads and writes each type.
        default: its value where it isn't given.
        is_left_out: whether the document leaves it out where it has its default.
        code: the code of its change, as `diff` reports it.
        changed: the summary of its change; `{}` stands for the entry.
        is_alarming: whether its change is shown before others.
        noun: how a message names it where targets disagree. None: they may.
    """

    __slots__ = (
        "changed",
        "code",
        "default",
        "is_alarming",
        "is_left_out",
        "name",
        "noun",
        "type",
    )

    def __init__(self, name: str, annotation: str, **attributes: Any) -> None:
        self.name = name
        self.type = annotation
        self.default = _REQUIRED
        self.is_left_out = False
        self.code = f"{name.replace('_', '-')}-changed"
        self.changed = f"the {name} of {{}} changed"
        self.is_alarming = False
        self.noun: str | None = f"`{name}`"
        for attribute, value in attributes.items():
            setattr(self, attribute, value)


def declared(**attributes: Any) -> Any:
    """Declare a field; the arguments are the attributes of `Field`."""
    return attributes


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(declared,))
class EntryType(RecordType):
    """Turns the annotations of a class into its `fields`."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> EntryType:
        fields = []
        for field_name, annotation in namespace.get("__annotations__", {}).items():
            given = namespace.pop(field_name, _REQUIRED)
            attributes = given if isinstance(given, dict) and given else {"default": given}
            field = Field(field_name, annotation, **attributes)
            if field.default is not _REQUIRED:
                namespace[field_name] = field.default
            fields.append(field)
        created = super().__new__(mcs, name, bases, namespace)
        type.__setattr__(created, "fields", tuple(fields))
        assert isinstance(created, EntryType)
        return created


class Entry(Record, metaclass=EntryType):
    """A part of the lock. Where the document keys it, its first field is the key."""

    if TYPE_CHECKING:
        fields: ClassVar[tuple[Field, ...]]


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
        code="plugin-moved", changed="{} comes from another distribution", is_alarming=True
    )
    entry_point: str = declared(noun="entry point")
    description: str = declared(default="", changed="the description of {} changed")
    min_core_version: str | None = declared(
        default=None,
        code="core-requirement-changed",
        changed="{} requires another core version",
        noun="required core version",
    )
    min_inference_version: str | None = declared(
        default=None,
        code="inference-requirement-changed",
        changed="{} requires another inference version",
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
