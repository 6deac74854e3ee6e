"""From the lock of each target to the one lock of all of them, or to what keeps them apart."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, TypeVar

from coral_lock import canonical_json
from coral_lock.canonical_json import Value
from coral_lock.descriptor.model import Descriptor
from coral_lock.difference.changes import difference
from coral_lock.difference.model import literal
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
from coral_lock.lockfile.parts import narrowed_digests, part_of
from coral_lock.locking.resolution import invalid_lock_finding
from coral_lock.names import base_id
from coral_lock.targets.model import Target

_APART = "the targets can't be in one lock: "
_ONE_VERSION = (
    "leave one version that fits every target in the wheelhouse, or write a lock for each target"
)

EntryT = TypeVar("EntryT", bound=Entry)


def combine(
    parts: Mapping[str, Lock], targets: tuple[Target, ...], descriptor: Descriptor
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
    conflicts = [
        *_host_conflicts(ordered),
        *chain.from_iterable(map(_plugin_conflicts, plugins)),
        *chain.from_iterable(map(_distribution_conflicts, distributions)),
    ]
    if conflicts:
        return None, sorted_findings(conflicts)
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
    except InvalidLockError as error:
        every = chain.from_iterable(part.plugins for part in parts.values())
        return None, (invalid_lock_finding(error, descriptor, every, _APART),)
    losses = sorted_findings(_losses(lock, ordered))
    return None if losses else lock, losses


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


def _conflict(subject: str, what: str, values: Mapping[str, Value], hint: str) -> Iterator[Finding]:
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
            summary=f"the {what} differs between the targets",
            expected="the same for every target",
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
                f"{field.noun} of {literal(subject)}",
                {target: sorted_data(getattr(each, field.name)) for target, each in found.items()},
                hints.get(field.name, hint),
            )


def _host_conflicts(parts: Mapping[str, Lock]) -> Iterator[Finding]:
    for role in ("core", "inference"):
        packages = {target: getattr(part.host, role) for target, part in parts.items()}
        versions: dict[str, Value] = {
            target: f"{each.distribution}=={each.version}" if each else None
            for target, each in packages.items()
        }
        subject = next((each.distribution for each in packages.values() if each), role)
        yield from _conflict(subject, f"version of the {role} host", versions, _ONE_VERSION)


def _distribution_conflicts(found: Mapping[str, LockedDistribution]) -> Iterator[Finding]:
    """Yield what differs about a distribution, given for each target that needs it."""
    name = next(iter(found.values())).name
    hint = "lock all targets with one descriptor"
    return _field_conflicts(found, name, hint, {"version": _ONE_VERSION})


def _plugin_conflicts(found: Mapping[str, LockedPlugin]) -> Iterator[Finding]:
    """Yield what differs about a plugin, given for each target that activates it."""
    some = next(iter(found.values()))
    hint = f"build the wheels of `{some.distribution}` from the same sources"
    choice = f"`{some.group}: {{{some.name}: {{distribution: {some.distribution}}}}}`"
    hints = {"distribution": f"choose one in the descriptor: {choice}"}
    return _field_conflicts(found, some.id, hint, hints)


def _losses(lock: Lock, parts: Mapping[str, Lock]) -> Iterator[Finding]:
    """Yield what a lock says of a target otherwise than the target's part."""
    for target, part in parts.items():
        for change in difference(narrowed_digests(part_of(lock, target), part), part):
            yield Finding(
                code="conflict",
                subject=change.subject,
                summary=f"{_APART}`{change.path}` is different for {literal(target)}",
                expected=one_line(change.before),
                found=one_line(change.after),
                hint="lock all targets with one descriptor and from one wheelhouse, or write a "
                "lock for each target",
            )


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
