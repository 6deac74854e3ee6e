"""Reading `coral.lock` from disk, within bounds."""

from __future__ import annotations

from coral_lock.errors import LockError
from coral_lock.lockfile.text import read_lock
from coral_lock.safe_files import read_named_file

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


def decode_lock(content: bytes, path: str) -> str:
    """Return the text of a lock's bytes.

    Raises:
        LockError: they aren't UTF-8 without a byte order mark.
    """
    if content.startswith(b"\xef\xbb\xbf"):
        raise LockError(
            "the lock starts with a byte order mark",
            expected="UTF-8 without one",
            where=f"{path}:1:1",
            hint="deploy the reviewed lock again, or write a new one with `coral-runtime lock`",
        )
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise LockError(
            "the lock isn't UTF-8",
            found=f"byte 0x{content[error.start]:02x}",
            where=f"{path}:{line}",
            hint="deploy the reviewed lock again, or write a new one with `coral-runtime lock`",
        ) from None


def parse_lock(content: bytes, path: str) -> Lock:
    """Return the lock that the bytes of a file hold.

    Raises:
        LockError: they aren't a lock in canonical form.
    """
    return read_lock(decode_lock(content, path), path)


def load_lock(path: str) -> Lock:
    """Return the lock at `path`.

    Raises:
        LockError: it can't be read, or isn't a lock in canonical form.
    """
    return parse_lock(read_lock_bytes(path), path)
