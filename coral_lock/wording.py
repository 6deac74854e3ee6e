"""Turns of phrase that several messages share."""

from __future__ import annotations

from coral_lock.lockfile.model import LOCK_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.lockfile.model import Lock


def counted(number: int, noun: str) -> str:
    """Return a number with its noun in the right form: `1 plugin`, `2 plugins`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def size_of(lock: Lock) -> str:
    """Return how much a lock holds: `3 plugins, 1 excluded, 5 distributions, 2 targets`."""
    excluded = f"{len(lock.excluded)} excluded, " if lock.excluded else ""
    targets = f", {counted(len(lock.targets), 'target')}" if lock.targets else ""
    return (
        f"{counted(len(lock.plugins), 'plugin')}, {excluded}"
        f"{counted(len(lock.distributions), 'distribution')}{targets}"
    )


def later_version_warning(lock: Lock, path: str) -> str | None:
    """Return what to warn of where a lock is of a later minor format version, or None."""
    if lock.lock_version == LOCK_VERSION:
        return None
    return (
        f"`{path}` has the later format version {lock.lock_version}: "
        f"fields that format version {LOCK_VERSION} doesn't have are ignored"
    )
