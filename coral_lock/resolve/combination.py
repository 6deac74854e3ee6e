"""From the lock of each target to the one lock of all of them."""

from __future__ import annotations

from coral_lock.errors import InvalidLockError
from coral_lock.finding import ERROR, Finding, sorted_findings
from coral_lock.lockfile.model import ExcludedPlugin, Lock, LockedDistribution, LockedPlugin
from coral_lock.lockfile.order import CycleError
from coral_lock.lockfile.target_rules import base_id, offering_distributions
from coral_lock.resolve.agreement import conflicts
from coral_lock.resolve.relations import cycle_finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from coral_lock.descriptor.model import Descriptor
    from coral_lock.targets.model import Target

_APART = "the targets can't be in one lock: "


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
        descriptor: what this runtime should run, to tell where it asks for something.
    """
    ordered = {name: parts[name] for name in sorted(target.name for target in targets)}
    findings = sorted_findings(conflicts(ordered))
    if findings:
        return None, findings
    first = next(iter(ordered.values()))
    try:
        lock = Lock(
            platform=first.platform,
            host=first.host.replace(python=None),
            targets=targets,
            plugins=_plugins(ordered),
            excluded=_excluded(ordered),
            distributions=_distributions(ordered),
        )
    except CycleError as error:
        entry_points = {
            plugin.id: plugin.entry_point for part in parts.values() for plugin in part.plugins
        }
        return None, (cycle_finding(error, descriptor, entry_points, _APART),)
    except InvalidLockError as error:
        return None, (_invalid_lock_finding(error),)
    return lock, ()


def _invalid_lock_finding(error: InvalidLockError) -> Finding:
    return Finding(
        code="conflict",
        severity=ERROR,
        subject=error.path,
        summary=f"{_APART}{error.message}",
        where=error.path,
        hint=error.hint,
    )


def _scope(found: Collection[str], parts: Collection[str]) -> tuple[str, ...]:
    """Return the names of the targets that an entry is for; none if it is for all."""
    return () if len(found) == len(parts) else tuple(sorted(found))


def _plugins(parts: Mapping[str, Lock]) -> tuple[LockedPlugin, ...]:
    found: dict[str, dict[str, LockedPlugin]] = {}
    for target, part in parts.items():
        for plugin in part.plugins:
            found.setdefault(plugin.id, {})[target] = plugin
    return tuple(
        next(iter(by_target.values())).replace(
            after=tuple(sorted({other for each in by_target.values() for other in each.after})),
            targets=_scope(by_target, parts),
        )
        for by_target in found.values()
    )


def _excluded(parts: Mapping[str, Lock]) -> tuple[ExcludedPlugin, ...]:
    found: dict[tuple[str, str], dict[str, str]] = {}
    for target, part in parts.items():
        for plugin in part.excluded:
            key = (base_id(plugin), plugin.distribution)
            found.setdefault(key, {})[target] = plugin.reason
    offers = offering_distributions(
        (plugin for part in parts.values() for plugin in part.plugins),
        (plugin for part in parts.values() for plugin in part.excluded),
    )
    excluded = []
    for (identifier, distribution), reasons in found.items():
        reason = next(iter(reasons.values()))
        excluded.append(
            ExcludedPlugin(
                id=identifier if len(offers[identifier]) == 1 else f"{identifier}@{distribution}",
                distribution=distribution,
                reason=reason,
                target_reasons={
                    target: other for target, other in reasons.items() if other != reason
                },
                targets=_scope(reasons, parts),
            )
        )
    return tuple(excluded)


def _distributions(parts: Mapping[str, Lock]) -> tuple[LockedDistribution, ...]:
    found: dict[str, dict[str, LockedDistribution]] = {}
    for target, part in parts.items():
        for distribution in part.distributions:
            found.setdefault(distribution.name, {})[target] = distribution
    return tuple(_distribution(by_target, _scope(by_target, parts)) for by_target in found.values())


def _distribution(
    by_target: Mapping[str, LockedDistribution], targets: tuple[str, ...]
) -> LockedDistribution:
    """Return a distribution with the digests of all targets and the edges that each has."""
    every = list(by_target.values())
    shared = set(every[0].requires).intersection(*(each.requires for each in every))
    further = {
        target: tuple(name for name in each.requires if name not in shared)
        for target, each in by_target.items()
    }
    return every[0].replace(
        digests={tag: digest for each in every for tag, digest in each.digests.items()},
        data_digests=_data_digests(every),
        requires=tuple(sorted(shared)),
        target_requires={target: names for target, names in further.items() if names},
        targets=targets,
    )


def _data_digests(every: Sequence[LockedDistribution]) -> dict[str, str] | None:
    """Return those of all targets; none where those of one can't be told."""
    known = [each.data_digests for each in every if each.data_digests is not None]
    if not known:
        return None
    return {tag: digest for each in known for tag, digest in each.items()} if all(known) else {}
