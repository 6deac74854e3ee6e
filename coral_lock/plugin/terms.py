"""What a plugin declares beyond its spec: where it applies, what it needs, what it configures."""

from __future__ import annotations

from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, TypeAlias


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
        platforms: where it applies; none stands for everywhere.
        after: ids of plugins that come before it, where they are selected at all.
        requires: plugins without which it isn't selected; they come before it too.
        conflicts: plugins that can't be selected with it.
        default_config_overrides: `patches` and `services` as in a descriptor, which holds
            where the descriptor says nothing.
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


if TYPE_CHECKING:
    Path: TypeAlias = tuple[str, ...]


OVERRIDE_SECTIONS = ("patches", "services")


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with what `over` says on top, mappings merged key by key."""
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
        for path, value in leaves(overrides[identifier], ()):
            first, other = wanted.setdefault(path, (identifier, value))
            if (type(other), other) != (type(value), value):
                yield first, identifier, path


def leaves(value: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield every value that isn't a mapping, with its path; an empty mapping is a value."""
    for key in sorted(value):
        item = value[key]
        if isinstance(item, dict) and item:
            yield from leaves(item, (*path, key))
        else:
            yield (*path, key), item
