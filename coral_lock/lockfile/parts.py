"""The part of a lock that is for one of its targets: a lock of its own."""

from __future__ import annotations

from coral_lock.lockfile.target_rules import base_id, offering_distributions
from coral_lock.targets.wheel_tags import fits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from coral_lock.lockfile.model import (
        ExcludedPlugin,
        Lock,
        LockedDistribution,
        LockedPlugin,
    )
    from coral_lock.targets.model import Target


def part_of(lock: Lock, target: str) -> Lock:
    """Return what a lock says of one target, as a lock for that target alone would.

    It has no targets, and its host names the target's Python. The digests are those of the
    wheels that fit the target: which of them counts is up to the one that is installed.

    Args:
        lock: a lock with targets.
        target: the name of one.

    Raises:
        KeyError: the lock has no such target.
    """
    pythons = {each.name: each.language_version for each in lock.targets}
    python = pythons[target]
    found = next(each for each in lock.targets if each.name == target)
    plugins = [plugin for plugin in lock.plugins if target in (plugin.targets or pythons)]
    excluded = _excluded_part(
        [plugin for plugin in lock.excluded if target in (plugin.targets or pythons)],
        plugins,
        target,
    )
    known = {plugin.id for plugin in plugins}
    known.update(base_id(plugin) for plugin in excluded)
    return lock.replace(
        host=lock.host.replace(python=python),
        targets=(),
        plugins=tuple(_plugin_part(plugin, known) for plugin in plugins),
        excluded=excluded,
        distributions=tuple(
            _distribution_part(distribution, found)
            for distribution in lock.distributions
            if target in (distribution.targets or pythons)
        ),
    )


def _plugin_part(plugin: LockedPlugin, known: Collection[str]) -> LockedPlugin:
    after = tuple(identifier for identifier in plugin.after if identifier in known)
    return plugin.replace(targets=(), after=after)


def _excluded_part(
    excluded: Sequence[ExcludedPlugin], plugins: Sequence[LockedPlugin], target: str
) -> tuple[ExcludedPlugin, ...]:
    """Return what is left out there; an id names its distribution if others offer it too."""
    offers = offering_distributions(plugins, excluded)
    return tuple(
        plugin.replace(
            id=base_id(plugin) if len(offers[base_id(plugin)]) == 1 else plugin.id,
            reason=plugin.target_reasons.get(target, plugin.reason),
            target_reasons={},
            targets=(),
        )
        for plugin in excluded
    )


def _distribution_part(distribution: LockedDistribution, target: Target) -> LockedDistribution:
    own = distribution.target_requires.get(target.name, ())
    digests = {tag: each for tag, each in distribution.digests.items() if fits(tag, target)}
    return distribution.replace(
        digests=digests,
        data_digests=_data_digests_for(distribution, digests),
        targets=(),
        requires=tuple(sorted((*distribution.requires, *own))),
        target_requires={},
    )


def _data_digests_for(
    distribution: LockedDistribution, tags: Collection[str]
) -> dict[str, str] | None:
    """Return those of the scripts, headers and data of these wheels; None if they have none."""
    everywhere = distribution.data_digests
    if not everywhere:
        return None if everywhere is None else {}
    return {tag: digest for tag, digest in everywhere.items() if tag in tags} or None


def narrowed_digests(part: Lock, derived: Lock) -> Lock:
    """Return a lock with only those digests that a lock derived on one machine can have.

    A machine has one wheel of each distribution, and several may fit its target. Where the
    part has every wheel tag that the derived lock has for a distribution, those tags remain
    of it; elsewhere, and where the derived lock has no digest at all, the distribution is
    left as it is, so that the two locks differ. Scripts, headers and data that the part
    doesn't pin may be pinned on a machine where no other distribution overwrites them.

    Args:
        part: what a lock says of the machine's target.
        derived: the lock that was derived on the machine.
    """
    known = {each.name: each for each in derived.distributions}
    return part.replace(
        distributions=tuple(
            _narrowed(distribution, known[distribution.name])
            if distribution.name in known
            else distribution
            for distribution in part.distributions
        )
    )


def _narrowed(distribution: LockedDistribution, derived: LockedDistribution) -> LockedDistribution:
    narrowed = with_tags(distribution, derived.digests)
    if narrowed.data_digests == {} and narrowed.digests.keys() == derived.digests.keys():
        return narrowed.replace(data_digests=derived.data_digests)
    return narrowed


def with_tags(distribution: LockedDistribution, tags: Collection[str]) -> LockedDistribution:
    """Return a distribution with the digests of these wheel tags only, if it has all of them."""
    if not tags or not distribution.digests.keys() >= set(tags):
        return distribution
    return distribution.replace(
        digests={tag: distribution.digests[tag] for tag in sorted(tags)},
        data_digests=_data_digests_for(distribution, tags),
    )
