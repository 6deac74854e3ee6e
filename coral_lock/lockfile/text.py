"""Text ⇄ lock, strictly: a text that isn't the canonical text of its lock is refused."""

from __future__ import annotations

from coral_lock import canonical_json
from coral_lock.errors import InvalidLockError, LockError
from coral_lock.lockfile.mapping import from_mapping, is_later_minor, to_mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.lockfile.model import Lock


def write_lock(lock: Lock) -> str:
    """Return the canonical text of `lock`."""
    return canonical_json.write(to_mapping(lock))


def read_lock(text: str, name: str = "coral.lock") -> Lock:
    """Return the lock that `text` holds.

    Args:
        text: the whole file.
        name: how messages call it.

    Raises:
        LockError: the text isn't a lock in canonical form; the message names the line
            where possible.
    """
    try:
        document = canonical_json.parse(text)
    except canonical_json.NotCanonicalError as error:
        from coral_lock.lockfile.diagnosis import diagnose

        raise diagnose(text, name, error) from None
    try:
        lock = from_mapping(document)
    except InvalidLockError as error:
        raise _placed(error, text, name) from None
    except LockError as error:
        error.where = f"{name}: {error.where}"
        raise
    canonical = (
        canonical_json.write(document) if is_later_minor(lock.lock_version) else write_lock(lock)
    )
    if canonical != text:
        raise _not_canonical(text, canonical, name)
    return lock


def _placed(error: InvalidLockError, text: str, name: str) -> LockError:
    line = canonical_json.line_of(text, error.path)
    place = name if line is None else f"{name}:{line}"
    return LockError(
        error.message,
        where=f"{place}: {error.path}" if error.path else place,
        hint=error.hint or "write the lock again with `coral-runtime lock`",
    )


def _not_canonical(text: str, canonical: str, name: str) -> LockError:
    found_lines, expected_lines = text.split("\n"), canonical.split("\n")
    for number, (found, expected) in enumerate(zip(found_lines, expected_lines), 1):
        if found != expected:
            return LockError(
                "the lock isn't in canonical form: it was edited by hand or merged wrongly",
                expected=expected.strip(),
                found=found.strip() if found.strip() != expected.strip() else repr(found),
                where=f"{name}:{number}",
                hint="write the lock again with `coral-runtime lock`",
            )
    return LockError(
        "the lock isn't in canonical form: its end differs",
        where=f"{name}:{min(len(found_lines), len(expected_lines))}",
        hint="write the lock again with `coral-runtime lock`",
    )
