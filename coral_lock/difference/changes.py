"""Two locks → what changed between them, by plugin and distribution, never by text line.

A field that changed is reported as `lockfile.entries` declares it, unless `_RULES` has more to
say about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from packaging.version import InvalidVersion, Version

from coral_lock.canonical_json import Value
from coral_lock.difference.assessment import assessed
from coral_lock.difference.model import RISKS, Change, literal
from coral_lock.lockfile.entries import (
    FIELDS,
    ExcludedPlugin,
    Host,
    HostPackage,
    LockedDistribution,
    LockedPlugin,
    sorted_data,
    to_mapping,
)
from coral_lock.lockfile.model import Lock
from coral_lock.names import base_id
from coral_lock.record import Record
from coral_lock.targets.model import Target


def difference(old: Lock, new: Lock) -> tuple[Change, ...]:
    """Return every difference between two locks, the riskiest first; none if they are equal."""
    return assessed(_with_moves(list(_changes(old, new, ())), new), old, new)


def without_entries(lock: Lock, targets: tuple[Target, ...]) -> Lock:
    """Return a lock for these targets that differs from others made of the same one in nothing
    else: it has no plugins and no distributions."""
    return lock.replace(
        host=lock.host.replace(python=None if targets else lock.host.python),
        targets=targets,
        plugins=(),
        excluded=(),
        distributions=(),
    )


class _Report(NamedTuple):
    """What is said about a change; `{}` in the summary stands for what it is about."""

    code: str
    summary: str
    risk: str = ""


def _changes(old: Any, new: Any, place: tuple[str, ...]) -> Iterator[Change]:
    """Yield what changed between two records with the same place in their locks."""
    for field in FIELDS[type(new)]:
        before, after = getattr(old, field.name), getattr(new, field.name)
        usual = _entries if isinstance(new, Lock) and isinstance(after, tuple) else _whole
        split, report = _RULES.get((type(new), field.name), (usual, None))
        # Entries are compared one by one.
        if split is not _entries and _is_same(before, after):
            continue
        for step, was, now in split(before, after):
            at = (*place, field.name, *step)
            if isinstance(was, Record) and isinstance(now, Record):
                yield from _changes(was, now, at)
            elif isinstance(entry := now or was, Record):
                yield _change(entry, at, _entry_report(entry, is_added=bool(now)), was, now)
            elif report:
                yield _change(new, at, report(old, new, at[-1], was, now), was, now)
            else:
                declared = _Report(field.code, field.changed, field.risk)
                yield _change(new, at, declared, was, now)


def _is_same(before: Any, after: Any) -> bool:
    """Whether values are the same in a document; for Python `1` and `true` are equal."""
    if before != after:
        return False
    if type(before) is type(after) and (isinstance(before, str) or not before):
        return True
    return repr(sorted_data(before)) == repr(sorted_data(after))


def _change(
    entry: Record, place: tuple[str, ...], report: _Report, before: object, after: object
) -> Change:
    """Return a change of `entry`, or of a field of it."""
    section, *keys = place
    subject = keys[0] if keys else section
    about, distribution = literal(subject), None
    if section == "host":
        subject, about = f"host.{subject}", f"the {subject} host"
    elif section == "targets":
        about = f"the target {about}"
    elif keys:
        # A distribution has no such field: it is one itself.
        distribution = getattr(entry, "distribution", subject)
    return Change(
        code=report.code,
        subject=subject,
        summary=report.summary.replace("{}", about),
        place=place,
        distribution=distribution,
        before=_as_json(before),
        after=_as_json(after),
        risks=(RISKS[report.risk],) if report.risk else (),
    )


def _as_json(value: Any) -> Value:
    return to_mapping(value) if isinstance(value, Record) else sorted_data(value)


def _entry_report(entry: Record, *, is_added: bool) -> _Report:
    """Return what is said about an entry that only one of the locks has."""
    noun, added, removed = _ENTRIES[type(entry)]
    if not is_added:
        return _Report(f"{noun}-removed", removed)
    is_unpinned = isinstance(entry, LockedDistribution) and not entry.digests
    unpinned = " without a digest, so its bytes aren't fixed" if is_unpinned else ""
    risk = "new-plugin" if noun == "plugin" else "unpinned" if is_unpinned else ""
    return _Report(f"{noun}-added", added + unpinned, risk)


_ENTRIES: Mapping[type[Record], tuple[str, str, str]] = {
    HostPackage: ("host", "the version of {} is known", "the version of {} is unknown"),
    Target: ("target", "{} is added", "{} is removed"),
    LockedPlugin: ("plugin", "{} is added", "{} is removed"),
    ExcludedPlugin: ("exclusion", "{} is new and left out", "{} was left out and is removed"),
    LockedDistribution: ("distribution", "{} is added", "{} is removed"),
}


def _with_moves(changes: Sequence[Change], new: Lock) -> Iterator[Change]:
    """Make one change of each plugin that went from `plugins` to `excluded` or back.

    The id among the excluded may name the distribution too, which has to be the same.
    """
    found = {
        (change.code, base_id(change.subject), change.distribution): change for change in changes
    }
    activated = {(plugin.id, plugin.distribution) for plugin in new.plugins}
    for change in changes:
        plugin = base_id(change.subject), change.distribution
        about = literal(change.subject)
        if change.code not in _OPPOSITES:
            yield change
        elif other := found.get((_OPPOSITES[change.code], *plugin)):
            if change.code == "plugin-added":
                yield change.replace(
                    code="plugin-included",
                    summary=f"{about} is activated; it was left out",
                    before=other.before,
                    moved_from=other.place,
                    risks=(RISKS["new-plugin"],),
                )
            elif change.code == "plugin-removed":
                yield change.replace(
                    code="plugin-excluded",
                    summary=f"{about} is left out; it was activated",
                    place=other.place,
                    after=other.after,
                    moved_from=change.place,
                )
        elif change.place[0] == "excluded" and plugin in activated:
            no_longer = "" if change.after else "no longer "
            yield change.replace(summary=f"{about} is {no_longer}left out for some targets")
        else:
            yield change


_OPPOSITES = {
    "plugin-added": "exclusion-removed",
    "plugin-removed": "exclusion-added",
    "exclusion-added": "plugin-removed",
    "exclusion-removed": "plugin-added",
}


# How the values of a field are compared: each part that differs, by the keys that lead to it.

_Parts = list[tuple[tuple[str, ...], Any, Any]]


def _whole(before: Any, after: Any) -> _Parts:
    return [((), before, after)]


def _entries(before: tuple[Any, ...], after: tuple[Any, ...]) -> _Parts:
    return _items(
        *({getattr(each, each._fields[0]): each for each in some} for some in (before, after))
    )


def _items(before: Mapping[str, Any], after: Mapping[str, Any]) -> _Parts:
    keys = sorted({*before, *after})
    pairs = [((key,), before.get(key), after.get(key)) for key in keys]
    return [pair for pair in pairs if pair[1] != pair[2]]


def _members(before: Sequence[str], after: Sequence[str]) -> _Parts:
    sides = ({name: name for name in names} for names in (before, after))
    return [((), was, now) for _, was, now in _items(*sides)]


def _members_by_key(
    before: Mapping[str, tuple[str, ...]], after: Mapping[str, tuple[str, ...]]
) -> _Parts:
    return [
        ((key,), was, now)
        for key in sorted({*before, *after})
        for _, was, now in _members(before.get(key, ()), after.get(key, ()))
    ]


# What is said about a field of two entries, or about the part of its value that is under a key.


def _python(old: Host, new: Host, *_: Any) -> _Report:
    where = "is per target" if new.python is None else "is in `host`"
    is_changed = old.python is not None and new.python is not None
    return _Report("python-changed", f"the Python version {'changed' if is_changed else where}")


def _version(_: object, __: object, ___: str, was: str, now: str) -> _Report:
    step = _step(was, now)
    if step == 0:
        return _Report("version-changed", "the version of {} changed")
    if step > 0:
        return _Report("version-upgraded", "{} is upgraded")
    return _Report("version-downgraded", "{} is downgraded", "downgraded")


def _step(was: str, now: str) -> int:
    """Return 1 for a higher version, -1 for a lower one, 0 where PEP 440 tells no difference."""
    try:
        before, after = Version(was), Version(now)
    except InvalidVersion:
        return 0
    return (after > before) - (after < before)


def _digest(
    old: LockedDistribution, new: LockedDistribution, tag: str, was: str | None, now: str | None
) -> _Report:
    if not new.digests:
        summary = "{} has no digest any more, so its bytes aren't fixed"
        return _Report("unpinned", summary, "unpinned")
    label, is_same_version = literal(tag), old.version == new.version
    if now is None:
        risk = "digest-removed" if is_same_version else ""
        return _Report("digest-removed", f"{{}} is no longer pinned for {label}", risk)
    if was is not None:
        under = " under the same version" if is_same_version else ""
        summary = f"the digest of {{}} for {label} changed{under}"
        return _Report("digest-changed", summary, "bytes-changed" if is_same_version else "")
    if is_same_version and old.digests and not old.digests.items() & new.digests.items():
        summary = f"{{}} is pinned for {label} instead, under the same version"
        return _Report("digest-added", summary, "wheel-replaced")
    also = " too" if old.digests.keys() & new.digests.keys() else ""
    return _Report("digest-added", f"{{}} is pinned for {label}{also}")


def _data_digest(
    old: LockedDistribution, new: LockedDistribution, tag: str, was: Any, now: Any
) -> _Report:
    """Under the same version, other scripts, headers or data are as alarming as other modules."""
    is_same = old.version == new.version and not old.digests.keys().isdisjoint(new.digests)
    under = ", under the same version" if is_same else ""
    label = f" for {literal(tag)}" if old.data_digests and new.data_digests else ""
    if now == {}:
        code, summary = "unpinned", "scripts, headers and data of {} aren't pinned"
    elif not was:
        code, summary = "digest-added", f"{{}} gained scripts, headers or data{label}"
    elif now is None:
        code, summary = "digest-removed", f"{{}} lost its scripts, headers and data{label}"
    else:
        code = "digest-changed"
        summary = f"the digest of the scripts, headers and data of {{}}{label} changed"
    risk = "unpinned" if now == {} else "bytes-changed" if is_same else ""
    return _Report(code, summary + under, risk)


def _acceptance(_: object, __: object, ___: str, was: str | None, now: str | None) -> _Report:
    if now is not None:
        summary = f"{literal(now)} of {{}} is accepted"
        return _Report("acceptance-added", summary, "finding-accepted")
    return _Report("acceptance-removed", f"{literal(was or '')} of {{}} is no longer accepted")


def _program(_: object, new: LockedDistribution, *__: Any) -> _Report:
    if new.program:
        return _Report("program-requirement-added", "the program itself requires {}")
    return _Report("program-requirement-removed", "the program itself no longer requires {}")


def _requirement(
    old: LockedDistribution,
    new: LockedDistribution,
    target: str,
    was: str | None,
    now: str | None,
) -> _Report:
    """Report an edge in `requires`, or in `target_requires` under the name of a target."""
    name = now or was or ""
    edges = [names for each in (old, new) for names in each.target_requires.values()]
    if target != "requires":
        scope = f" for the target {literal(target)}"
    elif any(name in names for names in edges):
        scope = " for every target"
    else:
        scope = " too" if now else ""
    if now:
        return _Report("requirement-added", f"{{}} requires {literal(name)}{scope}")
    return _Report("requirement-removed", f"{{}} no longer requires {literal(name)}{scope}")


def _host_requirement(
    old: LockedPlugin, new: LockedPlugin, field: str, was: str | None, now: str | None
) -> _Report:
    """Report a plugin's requirement on its host; an older one is the weaker one."""
    host = field.split("_")[1]
    code, about = f"{host}-requirement", f"the required {host} version of {{}}"
    if was is None:
        return _Report(f"{code}-added", f"{{}} requires a version of the {host} host")
    if now is None:
        return _Report(f"{code}-removed", f"{{}} no longer requires a version of the {host} host")
    step = _step(was, now)
    if step == 0:
        return _Report(f"{code}-changed", f"{about} changed")
    ending = "raised" if step > 0 else "lowered"
    return _Report(f"{code}-{ending}", f"{about} is {ending}")


def _entry_point(old: LockedPlugin, new: LockedPlugin, *_: Any) -> _Report:
    if old.entry_point.partition(":")[0] == new.entry_point.partition(":")[0]:
        return _Report("attribute-changed", "the entry point of {} names another attribute")
    code = "entry-point-moved"
    return _Report(code, "the entry point of {} moved to another module", code)


def _optional(_: object, new: LockedPlugin, *__: Any) -> _Report:
    if new.optional:
        return _Report("now-optional", "{} is optional")
    return _Report("no-longer-optional", "{} is no longer optional", "no-longer-optional")


_RULES: Mapping[
    tuple[type[Record], str], tuple[Callable[[Any, Any], _Parts], Callable[..., _Report] | None]
] = {
    (Host, "python"): (_whole, _python),
    (LockedPlugin, "min_core_version"): (_whole, _host_requirement),
    (LockedPlugin, "min_inference_version"): (_whole, _host_requirement),
    (LockedPlugin, "entry_point"): (_whole, _entry_point),
    (LockedPlugin, "optional"): (_whole, _optional),
    (LockedDistribution, "version"): (_whole, _version),
    (LockedDistribution, "digests"): (
        lambda before, after: _items(before, after) if after else _whole(before, after),
        _digest,
    ),
    (LockedDistribution, "data_digests"): (
        lambda before, after: _items(before, after) if before and after else _whole(before, after),
        _data_digest,
    ),
    (LockedDistribution, "accepted"): (_members, _acceptance),
    (LockedDistribution, "program"): (
        lambda before, after: _whole(before or None, after or None),
        _program,
    ),
    (LockedDistribution, "requires"): (_members, _requirement),
    (LockedDistribution, "target_requires"): (_members_by_key, _requirement),
}
