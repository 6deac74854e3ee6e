"""What a user is told when a lock is refused, compared whole."""

from __future__ import annotations

from coral_lock.errors import CoralLockError
from coral_lock.lockfile.text import write_lock
from tests.support.locks import sample_lock

TEXT = write_lock(sample_lock())
REWRITE = "write the lock again with `coral-runtime lock`"
RESTORE = f"restore it from version control, or {REWRITE}"

Refusal = dict[str, str | None]


def refusal(
    message: str,
    where: str,
    hint: str | None = REWRITE,
    expected: str | None = None,
    found: str | None = None,
) -> Refusal:
    """Return all that a user is told."""
    return {
        "message": message,
        "where": where,
        "hint": hint,
        "expected": expected,
        "found": found,
    }


def told(error: CoralLockError) -> Refusal:
    """Return all that `error` tells a user."""
    return {name: getattr(error, name) for name in refusal("", "")}


def changed(old: str, new: str) -> str:
    """Return the text of the valid lock with the first `old` replaced."""
    assert old in TEXT
    return TEXT.replace(old, new, 1)
