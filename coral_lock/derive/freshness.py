"""Is a lock what would be derived now? An environment can tell for one target's part."""

from __future__ import annotations

from coral_lock.difference.locks import difference
from coral_lock.lockfile.parts import narrowed_digests, part_of
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.derive.locking import Derivation
    from coral_lock.difference.change import Change
    from coral_lock.lockfile.model import Lock
    from coral_lock.targets.model import Target


class Freshness(Record):
    """What would change about a lock.

    Args:
        changes: the changes, none if it is fresh.
        parts: the targets whose parts were looked at; none where the whole lock was.
        unchecked: the names of the other targets, sorted.
    """

    changes: tuple[Change, ...]
    parts: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()

    @property
    def is_fresh(self) -> bool:
        return not self.changes


def freshness_of(locked: Lock, derivation: Derivation) -> Freshness:
    """Compare a lock with what was derived.

    Args:
        locked: the lock that is there.
        derivation: what would be written now, without errors; its whole lock, or the parts
            of some of its targets.
    """
    if derivation.lock is not None:
        return Freshness(changes=difference(locked, derivation.lock))
    targets = derivation.opened.targets
    if locked.targets != targets:
        return Freshness(
            changes=difference(_of_nothing(locked, locked.targets), _of_nothing(locked, targets))
        )
    names = tuple(sorted(derivation.parts))
    # A change can hold a mapping, so that it can't be a key itself.
    changes: dict[str, Change] = {}
    for name in names:
        derived = derivation.parts[name]
        part = narrowed_digests(part_of(locked, name), derived)
        changes.update((repr(change), change) for change in difference(part, derived))
    return Freshness(
        changes=tuple(
            sorted(
                changes.values(),
                key=lambda change: (not change.is_alarming, change.distribution or ""),
            )
        ),
        parts=names,
        unchecked=tuple(target.name for target in targets if target.name not in names),
    )


def _of_nothing(lock: Lock, targets: tuple[Target, ...]) -> Lock:
    """Return a lock that differs from others made of the same one in its targets only."""
    return lock.replace(
        host=lock.host.replace(python=None if targets else lock.host.python),
        targets=targets,
        plugins=(),
        excluded=(),
        distributions=(),
    )
