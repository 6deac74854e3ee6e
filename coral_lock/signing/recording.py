"""The record of a trust directory while `accept` changes it: one run at a time, all or nothing."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from coral_lock.errors import WriteError
from coral_lock.safe_files import sync_directory, write_durably
from coral_lock.signing.accepted import (
    ACCEPTED_FILE,
    DEFAULT_TRUST_DIRECTORY,
    MAX_RECORD_BYTES,
    Channel,
    NoRecordError,
    accepted_text,
    read_accepted,
)

_LOCK_FILE = "accept.lock"


def write_record(path: str, channels: Mapping[str, Channel]) -> None:
    """Write the record, durably and all at once.

    Raises:
        WriteError: it is so large that no start would read it, or can't be written.
    """
    text = accepted_text(channels)
    if len(text) > MAX_RECORD_BYTES:
        raise WriteError(
            f"the record would be larger than {MAX_RECORD_BYTES} bytes, which no start reads",
            where=path,
            hint="forget channels that are over with `--forget NAME`",
        )
    write_durably(path, text, mode=0o644)


def recorded(trust_directory: str | None) -> Mapping[str, Channel]:
    """Return what was accepted so far; nothing where there is no record yet.

    Raises:
        NotAcceptedError: somebody else can write there, and could have removed the record.
    """
    try:
        return read_accepted(trust_directory)
    except NoRecordError:
        return {}


def _remove_unfinished(directory: str) -> None:
    """Remove what runs that were killed have half written."""
    for name in os.listdir(directory):
        if name.startswith(f".{ACCEPTED_FILE}.") and name.endswith(".tmp"):
            os.unlink(os.path.join(directory, name))


@contextmanager
def only_run(trust_directory: str | None) -> Iterator[str]:
    """Keep other runs from the record of a directory, which is made where there is none.

    Yields:
        The path of the record.

    Raises:
        WriteError: the directory can't be made or written to.
        NotAcceptedError: somebody else can write there.
    """
    directory = trust_directory or DEFAULT_TRUST_DIRECTORY
    if os.path.isdir(directory):
        # Its owner could hold the lock for ever, so whose it is comes first.
        recorded(trust_directory)
    try:
        if not os.path.isdir(directory):
            os.mkdir(directory, 0o755)
            os.chmod(directory, 0o755)
            sync_directory(os.path.dirname(os.path.abspath(directory)))
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        # Nobody else may open it, or whoever did could keep `accept` waiting.
        descriptor = os.open(os.path.join(directory, _LOCK_FILE), flags, 0o600)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise WriteError(
            f"the trust directory can't be written to: {reason}",
            where=directory,
            hint="run it as root, or name another directory with `--trust-dir DIR`",
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _remove_unfinished(directory)
        yield os.path.join(directory, ACCEPTED_FILE)
    finally:
        os.close(descriptor)
