"""From the lock of each target to the one lock of all of them, or to what keeps them apart."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, TypeVar

from coral_lock import canonical_json
from coral_lock.canonical_json import Value
from coral_lock.descriptor.model import Descriptor
from coral_lock.difference.changes import literal
from coral_lock.difference.text import one_line
from coral_lock.errors import InvalidLockError
from coral_lock.finding import Finding, sorted_findings
from coral_lock.lockfile.entries import (
    FIELDS,
    Entry,
    ExcludedPlugin,
    LockedDistribution,
    LockedPlugin,
    sorted_data,
)
from coral_lock.lockfile.model import Lock, offering_distributions
from coral_lock.lockfile.order import CycleError
from coral_lock.locking.resolution import cycle_finding, invalid_lock_finding
from coral_lock.names import base_id
from coral_lock.targets.model import Target

_APART = "the targets can't be in one lock: "
_ONE_VERSION = (
    "leave one version that fits every target in the wheelhouse, or write a lock for each target"
)

EntryT = TypeVar("EntryT", bound=Entry)


def combine(
    parts: Mapping[str, Lock], targets: tuple[Target, ...], descriptor: Descriptor | None = None
) -> tuple[Lock | None, tuple[Finding, ...]]:
    """Return the lock of several targets, or everything that keeps them out of one lock.

    `part_of` gives each part back, but for the digests, which are those of all the parts.
    In a part, and in the lock that is returned, an id of `excluded` names its distribution
    where several distributions offer that plugin, and only there.

    Args:
        parts: the lock of each target by the target's name: it has no targets itself, and
            its host has the target's Python.
        targets: the targets, each of which has its part.
        descriptor: what this runtime should run, to name the place that asks for something.
    """
    ordered = {name: parts[name] for name in sorted(target.name for target in targets)}
    plugins = _by_target(ordered, lambda part: part.plugins, lambda plugin: plugin.id)
    distributions = _by_target(ordered, lambda part: part.distributions, lambda each: each.name)
    known = {target: part.known_plugins() for target, part in ordered.items()}
    findings = [
        *_lock_conflicts(ordered),
        *chain.from_iterable(map(_distribution_conflicts, distributions)),
        *chain.from_iterable(_plugin_conflicts(each, known) for each in plugins),
    ]
    if findings:
        return None, sorted_findings(findings)
    first = next(iter(ordered.values()))
    try:
        lock = Lock(
            platform=first.platform,
            host=first.host.replace(python=None),
            targets=targets,
            plugins=tuple(_plugin(found, ordered) for found in plugins),
            excluded=_excluded(ordered),
            distributions=tuple(_distribution(found, ordered) for found in distributions),
        )
    except CycleError as error:
        entry_points = {
            plugin.id: plugin.entry_point for part in parts.values() for plugin in part.plugins
        }
        return None, (cycle_finding(error, descriptor, entry_points, _APART),)
    except InvalidLockError as error:
        return None, (invalid_lock_finding(error, _APART),)
    return lock, ()


def _by_target(
    parts: Mapping[str, Lock],
    entries_of: Callable[[Lock], Sequence[EntryT]],
    key_of: Callable[[EntryT], Any],
) -> list[dict[str, EntryT]]:
    """Return the entries of one key, by the target that has them, for each key in order."""
    found: dict[Any, dict[str, EntryT]] = {}
    for target, part in parts.items():
        for entry in entries_of(part):
            found.setdefault(key_of(entry), {})[target] = entry
    return [found[key] for key in sorted(found)]


def _conflict(
    subject: str,
    summary: str,
    values: Mapping[str, Value],
    hint: str,
    expected: str = "the same for every target",
) -> Iterator[Finding]:
    """Yield an error if the targets have different values."""
    targets: dict[str, list[str]] = {}
    for target, value in values.items():
        targets.setdefault(canonical_json.write(value), []).append(target)
    if len(targets) > 1:
        found = ", ".join(
            f"{one_line(values[names[0]])} for {' and '.join(map(literal, names))}"
            for names in targets.values()
        )
        yield Finding(
            code="conflict",
            subject=subject,
            summary=summary,
            expected=expected,
            found=found,
            hint=hint,
        )


def _field_conflicts(
    found: Mapping[str, Entry], subject: str, hint: str, hints: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield the fields of an entry that have to agree and don't; some have hints of their own."""
    for field in FIELDS[type(next(iter(found.values())))]:
        if field.noun is not None:
            yield from _conflict(
                subject,
                f"the {field.noun} of {literal(subject)} differs between the targets",
                {target: sorted_data(getattr(each, field.name)) for target, each in found.items()},
                hints.get(field.name, hint),
            )


def _lock_conflicts(parts: Mapping[str, Lock]) -> Iterator[Finding]:
    yield from _conflict(
        "platform",
        "the platform differs between the targets",
        {target: part.platform for target, part in parts.items()},
        "set `platform` in the descriptor",
    )
    for role in ("core", "inference"):
        packages = {target: getattr(part.host, role) for target, part in parts.items()}
        yield from _conflict(
            next((each.distribution for each in packages.values() if each), role),
            f"the version of the {role} host differs between the targets",
            {
                target: f"{each.distribution}=={each.version}" if each else None
                for target, each in packages.items()
            },
            _ONE_VERSION,
        )


def _distribution_conflicts(found: Mapping[str, LockedDistribution]) -> Iterator[Finding]:
    """Yield what differs about a distribution, given for each target that needs it."""
    name = next(iter(found.values())).name
    hint = "lock all targets with one descriptor"
    yield from _field_conflicts(found, name, hint, {"version": _ONE_VERSION})
    if len({each.version for each in found.values()}) > 1:
        return
    yield from _conflict(
        name,
        f"{literal(name)} is an editable install for some targets only",
        {target: "digests" if each.digests else None for target, each in found.items()},
        "install it from a wheel",
        "digests for every target",
    )
    for tag in sorted({tag for each in found.values() for tag in each.digests}):
        those = {target: each for target, each in found.items() if tag in each.digests}
        digests: dict[str, Value] = {target: each.digests[tag] for target, each in those.items()}
        if len(set(digests.values())) == 1:
            digests = {target: (each.data_digests or {}).get(tag) for target, each in those.items()}
        yield from _conflict(
            name,
            f"{literal(name)} has different bytes for the wheel tag {literal(tag)}",
            digests,
            "use the same wheel for every target",
            "one digest",
        )


def _plugin_conflicts(
    found: Mapping[str, LockedPlugin], known: Mapping[str, Collection[str]]
) -> Iterator[Finding]:
    """Yield what differs about a plugin, given for each target that activates it.

    Args:
        found: the plugin of each target.
        known: the ids that `after` may name, for each target.
    """
    some = next(iter(found.values()))
    hint = f"build the wheels of `{some.distribution}` from the same sources"
    choice = f"`{some.group}: {{{some.name}: {{distribution: {some.distribution}}}}}`"
    hints = {"distribution": f"choose one in the descriptor: {choice}"}
    yield from _field_conflicts(found, some.id, hint, hints)
    every = {identifier for plugin in found.values() for identifier in plugin.after}
    # What isn't on a target is left out of `after` there.
    if any(every.intersection(known[target]) != set(each.after) for target, each in found.items()):
        summary = f"the `after` of {literal(some.id)} differs between the targets"
        after = {target: each.after for target, each in found.items()}
        yield from _conflict(some.id, summary, after, hint)


def _scope(found: Collection[str], parts: Collection[str]) -> tuple[str, ...]:
    """Return the names of the targets that an entry is for; none if it is for all."""
    return () if len(found) == len(parts) else tuple(sorted(found))


def _plugin(found: Mapping[str, LockedPlugin], parts: Collection[str]) -> LockedPlugin:
    return next(iter(found.values())).replace(
        after=tuple(sorted({other for each in found.values() for other in each.after})),
        targets=_scope(found, parts),
    )


def _excluded(parts: Mapping[str, Lock]) -> tuple[ExcludedPlugin, ...]:
    offers = offering_distributions(
        (plugin for part in parts.values() for plugin in part.plugins),
        (plugin for part in parts.values() for plugin in part.excluded),
    )
    excluded = []
    for found in _by_target(
        parts,
        lambda part: part.excluded,
        lambda plugin: (base_id(plugin.id), plugin.distribution),
    ):
        some = next(iter(found.values()))
        identifier = base_id(some.id)
        is_shared = len(offers[identifier]) > 1
        excluded.append(
            some.replace(
                id=f"{identifier}@{some.distribution}" if is_shared else identifier,
                target_reasons={
                    target: other.reason
                    for target, other in found.items()
                    if other.reason != some.reason
                },
                targets=_scope(found, parts),
            )
        )
    return tuple(excluded)


def _distribution(
    found: Mapping[str, LockedDistribution], parts: Collection[str]
) -> LockedDistribution:
    """Return a distribution with the digests of all targets and the edges that each has."""
    every = list(found.values())
    shared = set(every[0].requires).intersection(*(each.requires for each in every))
    further = {
        target: tuple(name for name in each.requires if name not in shared)
        for target, each in found.items()
    }
    return every[0].replace(
        digests={tag: digest for each in every for tag, digest in each.digests.items()},
        data_digests=_data_digests(every),
        requires=tuple(sorted(shared)),
        target_requires={target: names for target, names in further.items() if names},
        targets=_scope(found, parts),
    )


def _data_digests(every: Sequence[LockedDistribution]) -> dict[str, str] | None:
    """Return those of all targets; none where those of one aren't known."""
    known = [each.data_digests for each in every if each.data_digests is not None]
    if not known:
        return None
    return {tag: digest for each in known for tag, digest in each.items()} if all(known) else {}
