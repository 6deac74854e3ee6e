"""Two locks → what changed between them, by plugin and distribution, never by text line."""

from __future__ import annotations

from coral_lock import canonical_json
from coral_lock.difference.change import Change, literal
from coral_lock.lockfile.mapping import (
    distribution_to_mapping,
    excluded_to_mapping,
    host_package_to_mapping,
    plugin_to_mapping,
    sorted_data,
    target_to_mapping,
)
from coral_lock.lockfile.parts import base_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from typing import Any

    from coral_lock.canonical_json import Value
    from coral_lock.lockfile.model import (
        ExcludedPlugin,
        HostPackage,
        Lock,
        LockedDistribution,
        LockedPlugin,
    )


def distribution_changes(old: Lock, new: Lock) -> Iterator[Change]:
    """Yield what changed about the distributions."""
    old_distributions = {distribution.name: distribution for distribution in old.distributions}
    new_distributions = {distribution.name: distribution for distribution in new.distributions}
    for name in sorted(old_distributions.keys() | new_distributions.keys()):
        before, after = old_distributions.get(name), new_distributions.get(name)
        if before and after:
            yield from _version_changes(before, after)
            yield from _digest_changes(before, after)
            yield from _data_digest_changes(before, after)
            yield from _acceptance_changes(before, after)
            yield from _program_changes(before, after)
            yield from _requirement_changes(before, after)
            yield from _targets_changes(before, after)
        elif after:
            yield Change(
                code="distribution-added",
                subject=name,
                summary=f"{literal(name)} is added"
                + ("" if after.digests else " without a digest, so its bytes aren't fixed"),
                place=("distributions", name),
                distribution=name,
                after=distribution_to_mapping(after),
                is_alarming=not after.digests,
            )
        elif before:
            yield Change(
                code="distribution-removed",
                subject=name,
                summary=f"{literal(name)} is removed",
                place=("distributions", name),
                distribution=name,
                before=distribution_to_mapping(before),
            )


_DIRECTIONS = {
    "version-changed": "has another version",
    "version-downgraded": "went down to a lower version",
    "version-upgraded": "went up to a higher version",
}


def _version_changes(old: LockedDistribution, new: LockedDistribution) -> Iterator[Change]:
    if old.version == new.version:
        return
    code = _direction(old.version, new.version)
    yield Change(
        code=code,
        subject=new.name,
        summary=f"{literal(new.name)} {_DIRECTIONS[code]}",
        place=("distributions", new.name, "version"),
        distribution=new.name,
        before=old.version,
        after=new.version,
        is_alarming=code == "version-downgraded",
    )


def _direction(before: str, after: str) -> str:
    """Return the code for a change of version; PEP 440 says which is higher."""
    from packaging.version import Version

    try:
        old, new = Version(before), Version(after)
    except ValueError:
        return "version-changed"
    if old == new:
        return "version-changed"
    return "version-upgraded" if old < new else "version-downgraded"


def _digest_changes(old: LockedDistribution, new: LockedDistribution) -> Iterator[Change]:
    name = literal(new.name)
    if old.digests and not new.digests:
        yield Change(
            code="unpinned",
            subject=new.name,
            summary=f"{name} has no digest any more, so its bytes aren't fixed",
            place=("distributions", new.name, "digests"),
            distribution=new.name,
            before=dict(sorted(old.digests.items())),
            after={},
            is_alarming=True,
        )
        return
    is_same_version = old.version == new.version
    is_replaced = is_same_version and not set(old.digests.items()) & set(new.digests.items())
    for tag in sorted(old.digests.keys() | new.digests.keys()):
        before, after = old.digests.get(tag), new.digests.get(tag)
        if before == after:
            continue
        is_alarming = False
        if before is None:
            code, summary = "digest-added", f"{name} is pinned for {literal(tag)} too"
            if is_replaced and old.digests:
                summary = f"{name} is pinned for {literal(tag)} instead, under the same version"
                is_alarming = True
        elif after is None:
            code, summary = "digest-removed", f"{name} is no longer pinned for {literal(tag)}"
        else:
            code, summary = "digest-changed", f"the digest of {name} for {literal(tag)} changed"
            if is_same_version:
                summary += " under the same version"
                is_alarming = True
        yield Change(
            code=code,
            subject=new.name,
            summary=summary,
            place=("distributions", new.name, "digests", tag),
            distribution=new.name,
            before=before,
            after=after,
            is_alarming=is_alarming,
        )


def _data_digest_changes(old: LockedDistribution, new: LockedDistribution) -> Iterator[Change]:
    """Yield what changed about scripts, headers and data.

    Under the same version it is as alarming as other modules are.
    """
    before, after = _sorted(old.data_digests), _sorted(new.data_digests)
    name = literal(new.name)
    steps: list[tuple[tuple[str, ...], Value, Value, str]]
    if before and after:
        tags = [tag for tag in sorted({*before, *after}) if before.get(tag) != after.get(tag)]
        steps = [((tag,), before.get(tag), after.get(tag), f" for {literal(tag)}") for tag in tags]
    else:
        steps = [((), before, after, "")] if before != after else []
    for step, was, now, for_tag in steps:
        if now == {}:
            code, summary = "unpinned", f"scripts, headers and data of {name} aren't pinned"
        elif not was:
            code, summary = "digest-added", f"{name} has scripts, headers or data{for_tag} now"
        elif now is None:
            code = "digest-removed"
            summary = f"{name} has no scripts, headers and data{for_tag} any more"
        else:
            code = "digest-changed"
            summary = f"the digest of the scripts, headers and data of {name}{for_tag} changed"
        is_same = old.version == new.version and not old.digests.keys().isdisjoint(new.digests)
        yield Change(
            code=code,
            subject=new.name,
            summary=f"{summary}, under the same version" if is_same else summary,
            place=("distributions", new.name, "data_digests", *step),
            distribution=new.name,
            before=was,
            after=now,
            is_alarming=is_same or now == {},
        )


def _sorted(digests: Mapping[str, str] | None) -> dict[str, Value] | None:
    return None if digests is None else dict(sorted(digests.items()))


def _acceptance_changes(old: LockedDistribution, new: LockedDistribution) -> Iterator[Change]:
    for code in sorted(set(old.accepted) ^ set(new.accepted)):
        is_added = code in new.accepted
        yield Change(
            code="acceptance-added" if is_added else "acceptance-removed",
            subject=new.name,
            summary=f"{literal(code)} of {literal(new.name)} is "
            + ("accepted" if is_added else "no longer accepted"),
            place=("distributions", new.name, "accepted"),
            distribution=new.name,
            before=None if is_added else code,
            after=code if is_added else None,
            is_alarming=is_added,
        )


def _program_changes(old: LockedDistribution, new: LockedDistribution) -> Iterator[Change]:
    if old.program != new.program:
        yield Change(
            code="program-requirement-added" if new.program else "program-requirement-removed",
            subject=new.name,
            summary="the program "
            + ("requires" if new.program else "no longer requires")
            + f" {literal(new.name)} itself",
            place=("distributions", new.name, "program"),
            distribution=new.name,
            before=True if old.program else None,
            after=True if new.program else None,
        )


def _requirement_changes(old: LockedDistribution, new: LockedDistribution) -> Iterator[Change]:
    """Yield what changed about the edges: those for every target, then those for each one."""
    place = ("distributions", new.name)
    only_some = {name for edges in _of_targets(old, new) for name in edges}
    for target in (None, *sorted({*old.target_requires, *new.target_requires})):
        before, after = _edges(old, target), _edges(new, target)
        for name in sorted(before ^ after):
            is_added = name in after
            verb = "requires" if is_added else "no longer requires"
            yield Change(
                code="requirement-added" if is_added else "requirement-removed",
                subject=new.name,
                summary=f"{literal(new.name)} {verb} {literal(name)}"
                + _for_whom(target, is_shared=name in only_some, is_added=is_added),
                place=(*place, "requires")
                if target is None
                else (*place, "target_requires", target),
                distribution=new.name,
                before=None if is_added else name,
                after=name if is_added else None,
            )


def _of_targets(*distributions: LockedDistribution) -> Iterator[tuple[str, ...]]:
    for distribution in distributions:
        yield from distribution.target_requires.values()


def _edges(distribution: LockedDistribution, target: str | None) -> set[str]:
    if target is None:
        return set(distribution.requires)
    return set(distribution.target_requires.get(target, ()))


def _for_whom(target: str | None, *, is_shared: bool, is_added: bool) -> str:
    """Return for which targets an edge came or went, as far as that has to be said."""
    if target is not None:
        return f" for the target {literal(target)}"
    if is_shared:
        return " for every target"
    return " too" if is_added else ""


def _targets_changes(old: LockedDistribution, new: LockedDistribution) -> Iterator[Change]:
    if old.targets != new.targets:
        yield Change(
            code="targets-changed",
            subject=new.name,
            summary=f"{literal(new.name)} is locked for other targets",
            place=("distributions", new.name, "targets"),
            distribution=new.name,
            before=list(old.targets),
            after=list(new.targets),
        )


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


__all__ = ["Change", "difference"]


def difference(old: Lock, new: Lock) -> tuple[Change, ...]:
    """Return every difference between two locks; none if they are equal.

    The alarming ones come first: a digest that changed under the same version, an entry
    point that moved to another distribution or module, a plugin that is no longer optional,
    a distribution without digests or with a lower version. Within each half the changes of
    the whole lock come first, then those of each distribution and its plugins.
    """
    changes = (
        *_whole_lock_changes(old, new),
        *_host_changes("core", old.host.core, new.host.core),
        *_host_changes("inference", old.host.inference, new.host.inference),
        *_target_changes(old, new),
        *distribution_changes(old, new),
        *plugin_changes(old, new),
    )
    return tuple(sorted(changes, key=_sort_key))


_SECTIONS = ("lock_version", "platform", "host", "targets", "distributions", "plugins", "excluded")


def _sort_key(change: Change) -> tuple[Any, ...]:
    """Order by alarm and distribution; what is left keeps the order in which it was found."""
    return (
        not change.is_alarming,
        change.distribution or "",
        _SECTIONS.index(change.place[0]),
        change.subject,
    )


def _whole_lock_changes(old: Lock, new: Lock) -> Iterator[Change]:
    if new.host.python is None:
        python_summary = "the targets say the version of Python now"
    elif old.host.python is None:
        python_summary = "the host says the version of Python now"
    else:
        python_summary = "the version of Python changed"
    old_python, new_python = old.host.python, new.host.python
    for code, place, summary, before, after in (
        (
            "format-changed",
            "lock_version",
            "the format version changed",
            old.lock_version,
            new.lock_version,
        ),
        ("platform-changed", "platform", "the platform changed", old.platform, new.platform),
        ("python-changed", "host.python", python_summary, old_python, new_python),
    ):
        if before != after:
            yield Change(
                code=code,
                subject=place,
                summary=summary,
                place=tuple(place.split(".")),
                before=before,
                after=after,
            )


def _host_changes(role: str, old: HostPackage | None, new: HostPackage | None) -> Iterator[Change]:
    subject = f"host.{role}"
    place = ("host", role)
    if old and new:
        for field in ("distribution", "version"):
            before, after = getattr(old, field), getattr(new, field)
            if before != after:
                yield Change(
                    code="host-changed",
                    subject=subject,
                    summary=f"the {field} of the {role} host changed",
                    place=(*place, field),
                    before=before,
                    after=after,
                )
    elif old or new:
        yield Change(
            code="host-added" if new else "host-removed",
            subject=subject,
            summary=f"the version of the {role} host "
            + ("is known now" if new else "isn't known any more"),
            place=place,
            before=host_package_to_mapping(old),
            after=host_package_to_mapping(new),
        )


def _target_changes(old: Lock, new: Lock) -> Iterator[Change]:
    old_targets = {target.name: target for target in old.targets}
    new_targets = {target.name: target for target in new.targets}
    for name in sorted(old_targets.keys() | new_targets.keys()):
        before, after = old_targets.get(name), new_targets.get(name)
        subject = f"the target {literal(name)}"
        if before and after:
            for field in ("python", "platform"):
                if getattr(before, field) != getattr(after, field):
                    yield Change(
                        code="target-changed",
                        subject=name,
                        summary=f"{subject} has another {field.replace('python', 'Python')}",
                        place=("targets", name, field),
                        before=getattr(before, field),
                        after=getattr(after, field),
                    )
        else:
            yield Change(
                code="target-added" if after else "target-removed",
                subject=name,
                summary=f"{subject} is {'added' if after else 'removed'}",
                place=("targets", name),
                before=target_to_mapping(before) if before else None,
                after=target_to_mapping(after) if after else None,
            )
