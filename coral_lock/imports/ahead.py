"""Hashes libraries in a second thread before they are loaded: those that the last start loaded.

What the last start loaded is a hint and no evidence: a hash that was taken ahead counts only
for a file of which nothing has changed since, and others are hashed when they are loaded.
"""

from __future__ import annotations

import hashlib
import os
import time
from _thread import allocate_lock, start_new_thread

from coral_lock.installed.digest import available_cores
from coral_lock.safe_files import open_regular_file, read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Identity = tuple[int, ...]

_FILE = "libraries"
_MAX_HINT_BYTES = 1 << 16
_CHUNK_BYTES = 4 << 20
_CLOCK_NANOSECONDS = 50_000_000
"""How far apart two changes may be and still have the same time in a file system."""


class ReadAhead:
    """A thread that hashes files, one after the other.

    Args:
        locations: the files, the one that is needed first in front.
    """

    def __init__(self, locations: Iterable[str]) -> None:
        self._waiting = list(reversed(list(locations)))
        self._hashes: dict[str, tuple[str, Identity]] = {}
        self._is_stopped = False
        self._current: str | None = None
        self._turn = allocate_lock()
        self._ended = allocate_lock()
        self._ended.acquire()
        start_new_thread(self._work, ())
        # A fork of a process with several threads may hang, and Python warns of it.
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self.stop)

    def take(self, location: str, identity: Identity) -> str | None:
        """Return the SHA-256 of a file that has that identity now, None if it isn't known.

        Who asks then hashes the file, and the thread leaves it out.
        """
        try:
            self._waiting.remove(location)
            return None
        except ValueError:
            while self._current == location:
                with self._turn:
                    pass
        digest, hashed = self._hashes.pop(location, (None, None))
        return digest if hashed == identity else None

    def stop(self) -> None:
        """End the thread; what it has hashed stays known."""
        if not self._is_stopped:
            self._is_stopped = True
            with self._ended:
                pass

    def _work(self) -> None:
        try:
            buffer = bytearray(_CHUNK_BYTES)
            while not self._is_stopped:
                with self._turn:
                    if not self._waiting:
                        return
                    location = self._current = self._waiting.pop()
                    try:
                        self._hash(location, memoryview(buffer))
                    except OSError:
                        continue
                    finally:
                        self._current = None
        finally:
            self._is_stopped = True
            self._ended.release()

    def _hash(self, location: str, buffer: memoryview) -> None:
        started = time.time_ns()
        descriptor, _ = open_regular_file(location)
        try:
            identity = identity_of(os.fstat(descriptor))
            digest = hashlib.sha256()
            while size := os.readv(descriptor, [buffer]):
                digest.update(buffer[:size])
                if self._is_stopped:
                    return
        finally:
            os.close(descriptor)
        if identity[-1] < started - _CLOCK_NANOSECONDS:
            self._hashes[location] = digest.hexdigest(), identity


def identity_of(status: os.stat_result) -> Identity:
    """Return what changes when anybody writes to a file, or puts another one in its place."""
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def pays() -> bool:
    """Whether a second thread can hash while the first one imports."""
    return available_cores() > 1 and hasattr(os, "readv")


def read_hint(directory: str) -> tuple[str, ...]:
    """Return the distributions whose libraries the last start loaded, in that order."""
    try:
        content = read_regular_file(os.path.join(directory, _FILE), _MAX_HINT_BYTES)
        return tuple(content.decode("ascii").split("\n"))
    except (OSError, ValueError):
        return ()


def write_hint(directory: str, names: Iterable[str]) -> None:
    """Remember what the next start may hash ahead; one that can't be kept is no error."""
    place = os.path.join(directory, _FILE)
    temporary = f"{place}.{os.getpid()}"
    try:
        with open(temporary, "w", encoding="ascii") as file:
            file.write("\n".join(names))
        os.replace(temporary, place)
    except (OSError, ValueError):
        return
