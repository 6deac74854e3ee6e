"""The part of a lock of several targets that is for one of them."""

from __future__ import annotations

from coral_lock.errors import InputError
from coral_lock.lockfile.model import Lock, offering_distributions
from coral_lock.names import base_id
from coral_lock.targets.model import fits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from coral_lock.lockfile.entries import LockedDistribution
    from coral_lock.targets.model import Target

_MAX_NAMED = 20


def part_of(lock: Lock, target: str) -> Lock:
    """Return what a lock says of one target, as a lock for that target alone would.

    It has no targets, and its host names the target's Python. The digests are those of the
    wheels that fit the target: which of them counts depends on the one that is installed.

    Args:
        lock: a lock with targets.
        target: the name of one.

    Raises:
        KeyError: the lock has no such target.
    """
    found = {each.name: each for each in lock.targets}[target]
    plugins = [each for each in lock.plugins if target in (each.targets or (target,))]
    excluded = [each for each in lock.excluded if target in (each.targets or (target,))]
    offers = offering_distributions(plugins, excluded)
    return lock.replace(
        host=lock.host.replace(python=found.language_version),
        targets=(),
        plugins=tuple(
            plugin.replace(targets=(), after=tuple(each for each in plugin.after if each in offers))
            for plugin in plugins
        ),
        excluded=tuple(
            each.replace(
                # An id names its distribution where others offer it too.
                id=each.id if len(offers[base_id(each.id)]) > 1 else base_id(each.id),
                reason=each.target_reasons.get(target, each.reason),
                target_reasons={},
                targets=(),
            )
            for each in excluded
        ),
        distributions=tuple(
            _distribution_part(distribution, found)
            for distribution in lock.distributions
            if target in (distribution.targets or (target,))
        ),
    )


def _distribution_part(distribution: LockedDistribution, target: Target) -> LockedDistribution:
    own = distribution.target_requires.get(target.name, ())
    fitting = [tag for tag in distribution.digests if fits(tag, target)]
    return _with_digests(distribution, fitting).replace(
        targets=(), requires=tuple(sorted((*distribution.requires, *own))), target_requires={}
    )


def _with_digests(distribution: LockedDistribution, tags: Sequence[str]) -> LockedDistribution:
    """Return a distribution with the digests of these of its wheel tags only.

    Scripts, headers and data have none if none of these wheels has any.
    """
    data = distribution.data_digests
    if data:
        data = {tag: digest for tag, digest in data.items() if tag in tags} or None
    return distribution.replace(
        digests={tag: distribution.digests[tag] for tag in tags}, data_digests=data
    )


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
    distributions = []
    for distribution in part.distributions:
        other = known.get(distribution.name, distribution)
        narrowed = with_tags(distribution, other.digests)
        if narrowed.data_digests == {} and narrowed.digests.keys() == other.digests.keys():
            narrowed = narrowed.replace(data_digests=other.data_digests)
        distributions.append(narrowed)
    return part.replace(distributions=tuple(distributions))


def with_tags(distribution: LockedDistribution, tags: Collection[str]) -> LockedDistribution:
    """Return a distribution with the digests of these wheel tags only, if it has all of them."""
    if not tags or not distribution.digests.keys() >= set(tags):
        return distribution
    return _with_digests(distribution, sorted(tags))


def named_target(lock: Lock, name: str) -> Target:
    """Return the target of that name.

    Raises:
        InputError: the lock has none.
    """
    for target in lock.targets:
        if target.name == name:
            return target
    raise InputError(
        f"the lock has no target `{name}`",
        expected=listed([target.name for target in lock.targets]) or "none: it has no targets",
        hint="pass one of those, or none" if lock.targets else "pass no target",
    )


def listed(names: Sequence[str]) -> str:
    """Return names for a message, twenty of them at the most."""
    more = [f"and {len(names) - _MAX_NAMED} more"] if len(names) > _MAX_NAMED else []
    return ", ".join([*names[:_MAX_NAMED], *more])
