"""What a plugin declares beyond its spec: where it applies and what it gets along with."""

from __future__ import annotations

from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


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
