"""Two locks → what changed between them, by plugin and distribution, never by text line.

A field that changed is reported as `lockfile.entries` declares it. Only those in `_REPORTS` need
more than one sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from packaging.version import Version

from coral_lock.canonical_json import Value
from coral_lock.difference.change import Change, literal
from coral_lock.lockfile.entries import (
    Entry,
    ExcludedPlugin,
    Host,
    LockedDistribution,
    LockedPlugin,
)
from coral_lock.lockfile.mapping import sorted_data, to_mapping
from coral_lock.lockfile.model import Lock
from coral_lock.names import base_id


def difference(old: Lock, new: Lock) -> tuple[Change, ...]:
    """Return every difference between two locks; none if they are equal.

    The alarming ones come first: a digest that changed under the same version, an entry
    point that moved to another distribution or module, a plugin that is no longer optional,
    a distribution without digests or with a lower version. Within each half the changes of
    the whole lock come first, then those of each distribution and its plugins.
    """
    return tuple(sorted(_field_changes(old, new, ()), key=_sort_key))


_SECTIONS = ("lock_version", "platform", "host", "targets", "distributions", "plugins", "excluded")


def _sort_key(change: Change) -> tuple[bool, str, int, str]:
    """Order by alarm and distribution; what is left keeps the order in which it was found."""
    return (
        not change.is_alarming,
        change.distribution or "",
        _SECTIONS.index(change.place[0]),
        change.subject,
    )


def _field_changes(old: Any, new: Any, place: tuple[str, ...]) -> Iterator[Change]:
    """Yield what changed about the fields of a lock or of one of its entries."""
    for field in new.fields:
        before, after = (sorted_data(getattr(each, field.name)) for each in (old, new))
        if repr(before) == repr(after):  # As values `1` and `true` are equal.
            continue
        report = _REPORTS.get((type(new), field.name))
        if report is not None:
            yield from report(old, new, (*place, field.name))
            continue
        yield _change(
            field.code,
            (*place, field.name),
            field.changed,
            None if isinstance(new, (Lock, Host)) else new,
            before=before,
            after=after,
            is_alarming=field.is_alarming,
        )


def _change(
    code: str, place: tuple[str, ...], summary: str, entry: Entry | None = None, **details: Any
) -> Change:
    """Return a change of an entry, `{}` in its summary standing for it, or of the whole lock."""
    subject = details.pop("subject", place[1] if entry else ".".join(place))
    return Change(
        code=code,
        subject=subject,
        summary=summary.replace("{}", literal(subject)),
        place=place,
        # A distribution has no such field: it is one itself.
        distribution=getattr(entry, "distribution", place[1]) if entry else None,
        **details,
    )


def _python_changes(old: Host, new: Host, place: tuple[str, ...]) -> Iterator[Change]:
    summary = "the Python version changed"
    if old.python is None or new.python is None:
        summary = f"the Python version is {'per target' if new.python is None else 'in `host`'}"
    yield _change("python-changed", place, summary, before=old.python, after=new.python)


def _host_changes(old: Host, new: Host, place: tuple[str, ...]) -> Iterator[Change]:
    role = place[-1]
    before, after = getattr(old, role), getattr(new, role)
    if before and after:
        for field in ("distribution", "version"):
            was, now = getattr(before, field), getattr(after, field)
            if was != now:
                yield _change(
                    "host-changed",
                    (*place, field),
                    f"the {field} of the {role} host changed",
                    subject=".".join(place),
                    before=was,
                    after=now,
                )
        return
    yield _change(
        "host-added" if after else "host-removed",
        place,
        f"the version of the {role} host is {'known' if after else 'unknown'}",
        before=to_mapping(before) if before else None,
        after=to_mapping(after) if after else None,
    )


def _target_changes(old: Lock, new: Lock, place: tuple[str, ...]) -> Iterator[Change]:
    for name, before, after in _paired(old.targets, new.targets):
        subject = f"the target {literal(name)}"
        if before and after:
            for field, noun in (("python", "Python version"), ("platform", "platform")):
                was, now = getattr(before, field), getattr(after, field)
                if was != now:
                    yield _change(
                        "target-changed",
                        (*place, name, field),
                        f"the {noun} of {subject} changed",
                        subject=name,
                        before=was,
                        after=now,
                    )
        else:
            verb = "added" if after else "removed"
            yield _change(
                f"target-{verb}",
                (*place, name),
                f"{subject} is {verb}",
                subject=name,
                before=to_mapping(before) if before else None,
                after=to_mapping(after) if after else None,
            )


def _paired(
    old: tuple[Any, ...], new: tuple[Any, ...]
) -> Iterator[tuple[str, Any | None, Any | None]]:
    """Yield each key of some entries, and the old and the new entry that have it."""
    before, after = ({getattr(each, each._fields[0]): each for each in some} for some in (old, new))
    for key in sorted(before.keys() | after.keys()):
        yield key, before.get(key), after.get(key)


def _distribution_changes(old: Lock, new: Lock, place: tuple[str, ...]) -> Iterator[Change]:
    for name, before, after in _paired(old.distributions, new.distributions):
        if before and after:
            yield from _field_changes(before, after, (*place, name))
        elif after:
            unpinned = "" if after.digests else " without a digest, so its bytes aren't fixed"
            yield _change(
                "distribution-added",
                (*place, name),
                f"{{}} is added{unpinned}",
                after,
                after=to_mapping(after),
                is_alarming=not after.digests,
            )
        elif before:
            yield _change(
                "distribution-removed",
                (*place, name),
                "{} is removed",
                before,
                before=to_mapping(before),
            )


def _version_changes(
    old: LockedDistribution, new: LockedDistribution, place: tuple[str, ...]
) -> Iterator[Change]:
    """Yield the change of a version; PEP 440 says which is higher."""
    verb = "changed"
    try:
        before, after = Version(old.version), Version(new.version)
    except ValueError:
        pass
    else:
        if before != after:
            verb = "upgraded" if before < after else "downgraded"
    yield _change(
        f"version-{verb}",
        place,
        "the version of {} changed" if verb == "changed" else f"{{}} is {verb}",
        new,
        before=old.version,
        after=new.version,
        is_alarming=verb == "downgraded",
    )


def _digest_changes(
    old: LockedDistribution, new: LockedDistribution, place: tuple[str, ...]
) -> Iterator[Change]:
    if not new.digests:
        yield _change(
            "unpinned",
            place,
            "{} has no digest any more, so its bytes aren't fixed",
            new,
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
            is_alarming = is_replaced and bool(old.digests)
            code = "digest-added"
            summary = f"{{}} is pinned for {literal(tag)} " + (
                "instead, under the same version" if is_alarming else "too"
            )
        elif after is None:
            code, summary = "digest-removed", f"{{}} is no longer pinned for {literal(tag)}"
        else:
            is_alarming = is_same_version
            code, summary = "digest-changed", f"the digest of {{}} for {literal(tag)} changed"
            summary += " under the same version" if is_alarming else ""
        yield _change(
            code,
            (*place, tag),
            summary,
            new,
            before=before,
            after=after,
            is_alarming=is_alarming,
        )


def _data_digest_changes(
    old: LockedDistribution, new: LockedDistribution, place: tuple[str, ...]
) -> Iterator[Change]:
    """Yield what changed about scripts, headers and data.

    Under the same version it is as alarming as other modules are.
    """
    before, after = (
        None if each.data_digests is None else dict(sorted(each.data_digests.items()))
        for each in (old, new)
    )
    steps: list[tuple[tuple[str, ...], Value, Value, str]] = [((), before, after, "")]
    if before and after:
        tags = [tag for tag in sorted({*before, *after}) if before.get(tag) != after.get(tag)]
        steps = [((tag,), before.get(tag), after.get(tag), f" for {literal(tag)}") for tag in tags]
    for step, was, now, for_tag in steps:
        if now == {}:
            code, summary = "unpinned", "scripts, headers and data of {} aren't pinned"
        elif not was:
            code, summary = "digest-added", f"{{}} gained scripts, headers or data{for_tag}"
        elif now is None:
            code, summary = "digest-removed", f"{{}} lost its scripts, headers and data{for_tag}"
        else:
            code = "digest-changed"
            summary = f"the digest of the scripts, headers and data of {{}}{for_tag} changed"
        is_same = old.version == new.version and not old.digests.keys().isdisjoint(new.digests)
        yield _change(
            code,
            (*place, *step),
            f"{summary}, under the same version" if is_same else summary,
            new,
            before=was,
            after=now,
            is_alarming=is_same or now == {},
        )


def _acceptance_changes(
    old: LockedDistribution, new: LockedDistribution, place: tuple[str, ...]
) -> Iterator[Change]:
    for code in sorted({*old.accepted} ^ {*new.accepted}):
        is_added = code in new.accepted
        yield _change(
            "acceptance-added" if is_added else "acceptance-removed",
            place,
            f"{literal(code)} of {{}} is {'accepted' if is_added else 'no longer accepted'}",
            new,
            before=None if is_added else code,
            after=code if is_added else None,
            is_alarming=is_added,
        )


def _program_changes(
    old: LockedDistribution, new: LockedDistribution, place: tuple[str, ...]
) -> Iterator[Change]:
    yield _change(
        "program-requirement-added" if new.program else "program-requirement-removed",
        place,
        f"the program itself {'requires' if new.program else 'no longer requires'} {{}}",
        new,
        before=True if old.program else None,
        after=True if new.program else None,
    )


def _requirement_changes(
    old: LockedDistribution, new: LockedDistribution, place: tuple[str, ...]
) -> Iterator[Change]:
    for_some = {
        name for each in (old, new) for names in each.target_requires.values() for name in names
    }
    yield from _edge_changes(
        old.requires,
        new.requires,
        place,
        new,
        lambda name, is_added: " for every target" if name in for_some else " too" * is_added,
    )


def _target_requirement_changes(
    old: LockedDistribution, new: LockedDistribution, place: tuple[str, ...]
) -> Iterator[Change]:
    for target in sorted({*old.target_requires, *new.target_requires}):
        yield from _edge_changes(
            old.target_requires.get(target, ()),
            new.target_requires.get(target, ()),
            (*place, target),
            new,
            lambda *_, target=target: f" for the target {literal(target)}",
        )


def _edge_changes(
    old: tuple[str, ...],
    new: tuple[str, ...],
    place: tuple[str, ...],
    entry: Entry,
    for_whom: Callable[[str, bool], str],
) -> Iterator[Change]:
    for name in sorted({*old} ^ {*new}):
        is_added = name in new
        verb = "requires" if is_added else "no longer requires"
        yield _change(
            "requirement-added" if is_added else "requirement-removed",
            place,
            f"{{}} {verb} {literal(name)}{for_whom(name, is_added)}",
            entry,
            before=None if is_added else name,
            after=name if is_added else None,
        )


def _plugin_changes(old: Lock, new: Lock, place: tuple[str, ...]) -> Iterator[Change]:
    """Yield what changed about the plugins; a move to or from `excluded` is one change."""
    exclusions, inclusions = _moves(old, new), _moves(new, old)
    for identifier, before, after in _paired(old.plugins, new.plugins):
        entry = (*place, identifier)
        if before and after:
            yield from _field_changes(before, after, entry)
        elif after and identifier in inclusions:
            excluded = inclusions[identifier]
            yield _change(
                "plugin-included",
                entry,
                "{} is activated; it was left out",
                after,
                before=to_mapping(excluded),
                after=to_mapping(after),
                moved_from=("excluded", excluded.id),
            )
        elif after:
            yield _change("plugin-added", entry, "{} is added", after, after=to_mapping(after))
        elif before and identifier in exclusions:
            excluded = exclusions[identifier]
            yield _change(
                "plugin-excluded",
                ("excluded", excluded.id),
                "{} is left out; it was activated",
                before,
                subject=identifier,
                before=to_mapping(before),
                after=to_mapping(excluded),
                moved_from=entry,
            )
        elif before:
            yield _change(
                "plugin-removed", entry, "{} is removed", before, before=to_mapping(before)
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
        if leaving.get(identifier := base_id(plugin.id)) == plugin.distribution
        and plugin.id not in excluded_before
    }


def _entry_point_changes(
    old: LockedPlugin, new: LockedPlugin, place: tuple[str, ...]
) -> Iterator[Change]:
    is_moved = old.entry_point.partition(":")[0] != new.entry_point.partition(":")[0]
    yield _change(
        "entry-point-moved" if is_moved else "attribute-changed",
        place,
        "the entry point of {} "
        + ("moved to another module" if is_moved else "names another attribute"),
        new,
        before=old.entry_point,
        after=new.entry_point,
        is_alarming=is_moved,
    )


def _optional_changes(
    old: LockedPlugin, new: LockedPlugin, place: tuple[str, ...]
) -> Iterator[Change]:
    yield _change(
        "now-optional" if new.optional else "no-longer-optional",
        place,
        "{} is optional" if new.optional else "{} is no longer optional",
        new,
        before=old.optional,
        after=new.optional,
        is_alarming=old.optional,
    )


def _exclusion_changes(old: Lock, new: Lock, place: tuple[str, ...]) -> Iterator[Change]:
    """Yield what changed about the plugins that are left out, but for those that moved."""
    moved = {
        plugin.id for moves in (_moves(old, new), _moves(new, old)) for plugin in moves.values()
    }
    activated = {(plugin.id, plugin.distribution) for plugin in new.plugins}
    for identifier, before, after in _paired(old.excluded, new.excluded):
        if identifier in moved:
            continue
        if before and after:
            yield from _field_changes(before, after, (*place, identifier))
            continue
        entry = after or before
        # The same plugin may be activated for another target.
        is_for_some = entry and (base_id(identifier), entry.distribution) in activated
        if after:
            yield _change(
                "exclusion-added",
                (*place, identifier),
                "{} is left out for some targets" if is_for_some else "{} is new and left out",
                after,
                after=to_mapping(after),
            )
        elif before:
            yield _change(
                "exclusion-removed",
                (*place, identifier),
                "{} is no longer left out for some targets"
                if is_for_some
                else "{} was left out and is removed",
                before,
                before=to_mapping(before),
            )


_REPORTS: Mapping[tuple[type, str], Callable[[Any, Any, tuple[str, ...]], Iterator[Change]]] = {
    (Lock, "host"): lambda old, new, place: _field_changes(old.host, new.host, place),
    (Lock, "targets"): _target_changes,
    (Lock, "plugins"): _plugin_changes,
    (Lock, "excluded"): _exclusion_changes,
    (Lock, "distributions"): _distribution_changes,
    (Host, "core"): _host_changes,
    (Host, "inference"): _host_changes,
    (Host, "python"): _python_changes,
    (LockedPlugin, "entry_point"): _entry_point_changes,
    (LockedPlugin, "optional"): _optional_changes,
    (LockedDistribution, "version"): _version_changes,
    (LockedDistribution, "digests"): _digest_changes,
    (LockedDistribution, "data_digests"): _data_digest_changes,
    (LockedDistribution, "accepted"): _acceptance_changes,
    (LockedDistribution, "program"): _program_changes,
    (LockedDistribution, "requires"): _requirement_changes,
    (LockedDistribution, "target_requires"): _target_requirement_changes,
}
