"""What is known of a plugin without running it: the facts of its spec, and its manifest's terms."""

from __future__ import annotations

from coral_lock.names import is_plugin_name
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, TypeAlias

    Path: TypeAlias = tuple[str, ...]

MANIFEST_NAME = "coral_plugin.yaml"
MAX_MANIFEST_BYTES = 256 * 1024
MAX_DESCRIPTION = 1000
OVERRIDE_SECTIONS = ("patches", "services")

MANIFEST = "manifest"
STATIC = "static"
PROBE = "probe"


class PluginFacts(Record):
    """The fields of a spec as data."""

    name: str
    description: str = ""
    min_core_version: str | None = None
    min_inference_version: str | None = None


class FactsError(ValueError):
    """A spec's fields can't be right; the message names the field and what it holds."""


def facts_from_fields(fields: dict[str, Any]) -> PluginFacts:
    """Return the facts of a spec whose fields may hold anything.

    Args:
        fields: `name` and, where the spec has them, the other fields of `PluginFacts`.

    Raises:
        FactsError: a field is of the wrong type or not allowed in a lock.
    """
    name = fields.get("name")
    if not is_plugin_name(name):
        raise FactsError(f"`name` isn't a plugin name: {_show(name)}")
    description = fields.get("description")
    if description is None:
        description = ""
    if not isinstance(description, str):
        raise FactsError(f"`description` isn't a string: {_show(description)}")
    if len(description) > MAX_DESCRIPTION:
        raise FactsError(f"`description` is longer than {MAX_DESCRIPTION} characters")
    if not description.isascii() and any("\ud800" <= c <= "\udfff" for c in description):
        raise FactsError("`description` holds a lone surrogate")
    versions: dict[str, str | None] = {}
    for field in ("min_core_version", "min_inference_version"):
        value = fields.get(field)
        if value is not None and not isinstance(value, str):
            raise FactsError(f"`{field}` isn't a string: {_show(value)}")
        if value is not None and (len(value) > 200 or not value.isprintable()):
            raise FactsError(f"`{field}` isn't a version: {_show(value)}")
        versions[field] = value or None
    return PluginFacts(name=str(name), description=description, **versions)


def _show(value: object) -> str:
    is_short = isinstance(value, (str, float, type(None))) or (
        isinstance(value, int) and value.bit_length() < 1000
    )
    text = repr(value) if is_short else f"`{type(value).__name__}`"
    return text if len(text) <= 80 else f"{text[:77]}…"


def facts_of_spec(spec: object) -> PluginFacts:
    """Return the facts of a live spec, read from its attributes.

    Raises:
        FactsError: an attribute is of the wrong type or not allowed in a lock.
    """
    return facts_from_fields({field: getattr(spec, field, None) for field in PluginFacts._fields})


class Relation(Record):
    """Another plugin, by its id, and why it matters to this one."""

    id: str
    reason: str


class EnvironmentVariable(Record):
    """An environment variable that a plugin reads, and whether it can't do without."""

    name: str
    required: bool = False
    description: str = ""


class PluginTerms(Record):
    """The terms of one plugin, as its manifest states them.

    Args:
        platforms: where it applies; everywhere if empty.
        after: ids of plugins that come before it, where they are selected at all.
        requires: plugins without which it isn't selected; they come before it too.
        conflicts: plugins that can't be selected with it.
        default_config_overrides: `patches` and `services` as in a descriptor, which holds
            where the descriptor sets nothing.
        env: the environment variables that it reads.
        homepage: where people read about it.
    """

    platforms: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    requires: tuple[Relation, ...] = ()
    conflicts: tuple[Relation, ...] = ()
    default_config_overrides: Mapping[str, Any] = {}
    env: tuple[EnvironmentVariable, ...] = ()
    homepage: str | None = None


NO_TERMS = PluginTerms()


def terms_to_mapping(terms: PluginTerms) -> dict[str, Any]:
    """Return terms as a manifest writes them, what is empty too."""
    return {
        "platforms": list(terms.platforms),
        "after": list(terms.after),
        "requires": {relation.id: relation.reason for relation in terms.requires},
        "conflicts": {relation.id: relation.reason for relation in terms.conflicts},
        "default_config_overrides": dict(terms.default_config_overrides),
        "env": {
            variable.name: {"required": variable.required, "description": variable.description}
            for variable in terms.env
        },
        "homepage": terms.homepage,
    }


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` overlaid by `over`, mappings merged key by key."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            result[key] = merged(below, value)
        else:
            result[key] = value
    return result


def combined(overrides: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the overrides of several plugins as one, a later one winning."""
    result: dict[str, Any] = {}
    for override in overrides:
        result = merged(result, override)
    return result


def contradictions(
    overrides: Mapping[str, Mapping[str, Any]],
) -> Iterator[tuple[str, str, Path]]:
    """Yield where two plugins want different values: their ids and the path of the key.

    Args:
        overrides: the overrides of each plugin, by id.
    """
    wanted: dict[Path, tuple[str, Any]] = {}
    for identifier in sorted(overrides):
        for path, value in sorted(leaves(overrides[identifier])):
            first, other = wanted.setdefault(path, (identifier, value))
            if (type(other), other) != (type(value), value):
                yield first, identifier, path


def leaves(mapping: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every value that isn't a mapping, with its path; an empty mapping is a value."""
    for key, value in mapping.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value
