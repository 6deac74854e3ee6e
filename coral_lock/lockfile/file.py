"""Reading `coral.lock` from disk, within bounds."""

from __future__ import annotations

from coral_lock.errors import LockError
from coral_lock.lockfile.text import REWRITE, read_lock
from coral_lock.safe_files import decoded, read_named_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.lockfile.model import Lock

MAX_LOCK_BYTES = 16 * 1024 * 1024


def read_lock_bytes(path: str) -> bytes:
    """Return the bytes of the lock at `path`.

    Raises:
        LockError: it is missing, unreadable, no regular file, or over 16 MiB.
    """
    hint = "deploy the reviewed lock, or pass its path; `coral-runtime lock` writes a new one"
    return read_named_file(path, MAX_LOCK_BYTES, what="lock", hint=hint, error_type=LockError)


def read_lock_stream(path: str) -> bytes:
    """Return the bytes of a lock that a pipe holds; `-` is standard input.

    Raises:
        LockError: it can't be read, or is over 16 MiB.
    """
    try:
        with open(0 if path == "-" else path, "rb", closefd=path != "-") as file:
            content = file.read(MAX_LOCK_BYTES + 1)
    except OSError as error:
        raise LockError(f"the lock can't be read: {error.strerror}", where=path) from None
    if len(content) > MAX_LOCK_BYTES:
        raise LockError(f"the lock is larger than {MAX_LOCK_BYTES} bytes", where=path)
    return content


def parse_lock(content: bytes, path: str) -> Lock:
    """Return the lock that the bytes of a file hold.

    Raises:
        LockError: they aren't a lock in canonical form.
    """
    text = decoded(content, path, what="lock", hint=REWRITE, error_type=LockError)
    return read_lock(text, path)


def load_lock(path: str) -> Lock:
    """Return the lock at `path`.

    Raises:
        LockError: it can't be read, or isn't a lock in canonical form.
    """
    return parse_lock(read_lock_bytes(path), path)
