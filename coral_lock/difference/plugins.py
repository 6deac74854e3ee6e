"""What changed about the plugins of two locks, the activated and the excluded ones."""

from __future__ import annotations

from coral_lock import canonical_json
from coral_lock.difference.change import Change, literal
from coral_lock.lockfile.mapping import excluded_to_mapping, plugin_to_mapping, sorted_data
from coral_lock.lockfile.target_rules import base_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from coral_lock.canonical_json import Value
    from coral_lock.lockfile.model import ExcludedPlugin, Lock, LockedPlugin


def plugin_changes(old: Lock, new: Lock) -> Iterator[Change]:
    """Yield what changed about the plugins; a move to or from `excluded` is one change."""
    exclusions = _moves(old, new)
    inclusions = _moves(new, old)
    old_plugins = {plugin.id: plugin for plugin in old.plugins}
    new_plugins = {plugin.id: plugin for plugin in new.plugins}
    for identifier in sorted(old_plugins.keys() | new_plugins.keys()):
        before, after = old_plugins.get(identifier), new_plugins.get(identifier)
        if before and after:
            yield from _field_changes(before, after)
        elif after:
            yield _arrival(after, inclusions.get(identifier))
        elif before:
            yield _departure(before, exclusions.get(identifier))
    moved = {plugin.id for plugin in (*exclusions.values(), *inclusions.values())}
    yield from _exclusion_changes(
        {plugin.id: plugin for plugin in old.excluded if plugin.id not in moved},
        {plugin.id: plugin for plugin in new.excluded if plugin.id not in moved},
        {(plugin.id, plugin.distribution) for plugin in new.plugins},
    )


def _moves(activating: Lock, excluding: Lock) -> dict[str, ExcludedPlugin]:
    """Return, by plugin id, what one lock excludes that the other one activates.

    The id among the excluded may name the distribution too, which has to be the same.
    """
    excluded_before = {plugin.id for plugin in activating.excluded}
    activated_after = {plugin.id for plugin in excluding.plugins}
    leaving = {
        plugin.id: plugin.distribution
        for plugin in activating.plugins
        if plugin.id not in activated_after
    }
    return {
        identifier: plugin
        for plugin in excluding.excluded
        if leaving.get(identifier := base_id(plugin)) == plugin.distribution
        and plugin.id not in excluded_before
    }


def _arrival(plugin: LockedPlugin, excluded: ExcludedPlugin | None) -> Change:
    subject = literal(plugin.id)
    added = Change(
        code="plugin-added",
        subject=plugin.id,
        summary=f"{subject} is added",
        place=("plugins", plugin.id),
        distribution=plugin.distribution,
        after=plugin_to_mapping(plugin),
    )
    if excluded is None:
        return added
    return added.replace(
        code="plugin-included",
        summary=f"{subject} is activated; it was left out",
        before=excluded_to_mapping(excluded),
        moved_from=("excluded", excluded.id),
    )


def _departure(plugin: LockedPlugin, excluded: ExcludedPlugin | None) -> Change:
    subject = literal(plugin.id)
    removed = Change(
        code="plugin-removed",
        subject=plugin.id,
        summary=f"{subject} is removed",
        place=("plugins", plugin.id),
        distribution=plugin.distribution,
        before=plugin_to_mapping(plugin),
    )
    if excluded is None:
        return removed
    return removed.replace(
        code="plugin-excluded",
        summary=f"{subject} is left out; it was activated",
        place=("excluded", excluded.id),
        after=excluded_to_mapping(excluded),
        moved_from=removed.place,
    )


_ALARMING_CODES = frozenset({"entry-point-moved", "no-longer-optional", "plugin-moved"})
_PLUGIN_FIELDS = {
    "distribution": ("plugin-moved", "{} comes from another distribution"),
    "description": ("description-changed", "{} is described differently"),
    "min_core_version": ("core-requirement-changed", "{} requires another core version"),
    "min_inference_version": (
        "inference-requirement-changed",
        "{} requires another inference version",
    ),
    "after": ("after-changed", "{} is activated after other plugins"),
    "default_config_overrides": ("overrides-changed", "{} brings other configuration"),
    "env": ("env-changed", "{} needs other environment variables"),
    "targets": ("targets-changed", "{} is activated for other targets"),
}


def _field_changes(old: LockedPlugin, new: LockedPlugin) -> Iterator[Change]:
    for field in old._fields:
        before, after = _value(old, field), _value(new, field)
        if canonical_json.write(before) == canonical_json.write(after):
            continue
        if field == "entry_point":
            code, summary = _entry_point_change(before, after)
        elif field == "optional":
            code, summary = (
                ("now-optional", "{} is optional now")
                if after
                else ("no-longer-optional", "{} is no longer optional")
            )
        else:
            code, summary = _PLUGIN_FIELDS[field]
        yield Change(
            code=code,
            subject=new.id,
            summary=summary.replace("{}", literal(new.id)),
            place=("plugins", new.id, field),
            distribution=new.distribution,
            before=before,
            after=after,
            is_alarming=code in _ALARMING_CODES,
        )


def _value(plugin: LockedPlugin, field: str) -> Value:
    """Return a field as JSON, since as values `1` and `true` are the same."""
    return sorted_data(getattr(plugin, field))


def _entry_point_change(before: Value, after: Value) -> tuple[str, str]:
    if str(before).partition(":")[0] != str(after).partition(":")[0]:
        return "entry-point-moved", "the entry point of {} moved to another module"
    return "attribute-changed", "the entry point of {} names another attribute"


def _exclusion_changes(
    old: Mapping[str, ExcludedPlugin],
    new: Mapping[str, ExcludedPlugin],
    activated: Collection[tuple[str, str]],
) -> Iterator[Change]:
    """Yield what changed about the plugins that are left out.

    Args:
        old: those of the old lock, by id.
        new: those of the new lock.
        activated: id and distribution of what the new lock activates: the same may be left
            out for another target.
    """
    for identifier in sorted(old.keys() | new.keys()):
        before, after = old.get(identifier), new.get(identifier)
        subject = literal(identifier)
        if before and after:
            yield from _exclusion_field_changes(before, after)
        elif after:
            yield Change(
                code="exclusion-added",
                subject=identifier,
                summary=f"{subject} is left out for some targets"
                if (base_id(after), after.distribution) in activated
                else f"{subject} is new and left out",
                place=("excluded", identifier),
                distribution=after.distribution,
                after=excluded_to_mapping(after),
            )
        elif before:
            yield Change(
                code="exclusion-removed",
                subject=identifier,
                summary=f"{subject} is no longer left out for some targets"
                if (base_id(before), before.distribution) in activated
                else f"{subject} was left out and is gone",
                place=("excluded", identifier),
                distribution=before.distribution,
                before=excluded_to_mapping(before),
            )


def _exclusion_field_changes(old: ExcludedPlugin, new: ExcludedPlugin) -> Iterator[Change]:
    for field, what in (
        ("distribution", "from another distribution"),
        ("reason", "for another reason"),
        ("target_reasons", "for other reasons on some targets"),
        ("targets", "for other targets"),
    ):
        before, after = sorted_data(getattr(old, field)), sorted_data(getattr(new, field))
        if before != after:
            yield Change(
                code="targets-changed" if field == "targets" else "exclusion-changed",
                subject=new.id,
                summary=f"{literal(new.id)} is left out {what}",
                place=("excluded", new.id, field),
                distribution=new.distribution,
                before=before,
                after=after,
            )
