"""Which plugin of a manifest is which one of the code, and what about it changed."""

from __future__ import annotations

from coral_lock.author.derived_fields import DERIVED_KEYS, written_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coral_lock.manifest.model import Manifest, ManifestPlugin


def matching_plugins(
    manifest: Manifest, derived: Sequence[Mapping[str, str]], kept: set[int]
) -> dict[int, int]:
    """Return which plugin of a manifest is which derived one, by their positions.

    The id counts first. What is left over on both sides and has the same entry point is a
    plugin that was renamed, if there is only one of it on each side.
    """
    written = [written_fields(plugin) for plugin in manifest.plugins]
    found: dict[int, int] = {}
    for keys in (("group", "name"), ("group", "entry_point"), ("entry_point",)):

        def identity(fields: Mapping[str, str], keys: Sequence[str] = keys) -> tuple[str, ...]:
            return tuple(fields[key] for key in keys)

        old = [index for index in range(len(written)) if index not in found and index not in kept]
        new = [index for index in range(len(derived)) if index not in found.values()]
        old_by_identity = _unique({index: identity(written[index]) for index in old})
        new_by_identity = _unique({index: identity(derived[index]) for index in new})
        for key in old_by_identity.keys() & new_by_identity.keys():
            found[old_by_identity[key]] = new_by_identity[key]
    return found


def _unique(identities: Mapping[int, tuple[str, ...]]) -> dict[tuple[str, ...], int]:
    """Return the positions by identity, without identities that several share."""
    every = list(identities.values())
    return {key: index for index, key in identities.items() if every.count(key) == 1}


def changed_fields(plugin: ManifestPlugin, fields: Mapping[str, str]) -> Mapping[str, str | None]:
    """Return the fields that differ, with None for those that are to go."""
    written = written_fields(plugin)
    return {key: fields.get(key) for key in DERIVED_KEYS if written.get(key) != fields.get(key)}
