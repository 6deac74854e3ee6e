"""What a user is told when a lock is refused, compared whole."""

from __future__ import annotations

from collections.abc import Callable

from coral_lock.errors import CoralLockError, ProblemsError
from coral_lock.lockfile.text import write_lock
from tests.support.locks import sample_lock

TEXT = write_lock(sample_lock())
REWRITE = "deploy the reviewed lock again, or write a new one with `coral-runtime lock`"

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


def is_answered(
    call: Callable[[], object],
    *kinds: type[CoralLockError],
    exit_code: int | None = None,
) -> bool:
    """Whether `call` returns, or is refused with words, and with this exit code if one is given.

    An error that is none of `kinds` is let through.
    """
    try:
        call()
    except kinds as error:
        problems = error.problems if isinstance(error, ProblemsError) else ()
        return all(each.message for each in (error, *problems)) and (
            exit_code in (None, error.exit_code)
        )
    return True


def changed(old: str, new: str) -> str:
    """Return the text of the valid lock with the first `old` replaced."""
    assert old in TEXT
    return TEXT.replace(old, new, 1)
