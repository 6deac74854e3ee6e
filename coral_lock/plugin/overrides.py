"""Configuration that plugins bring along, which holds where a descriptor says nothing."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, TypeAlias

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
