"""Shared libraries: compared before the first extension module of a distribution is loaded.

Those that the last start loaded are hashed ahead in a second thread. What it loaded is a hint
and no evidence: a hash that was taken ahead counts only for a file of which nothing has changed
since, and others are hashed when they are loaded.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import time
from _thread import allocate_lock, start_new_thread

from coral_lock.errors import WriteError
from coral_lock.imports.table import EXTENSION, MODULE_SUFFIXES, location_of
from coral_lock.installed.digest import available_cores, hash_files
from coral_lock.safe_files import (
    identity_of,
    open_regular_file,
    read_regular_file,
    write_durably,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from coral_lock.errors import ChangedFileError
    from coral_lock.imports.table import ImportTable, ProvedList, RootFiles
    from coral_lock.safe_files import FileIdentity


_FILE = "libraries"
_MAX_HINT_BYTES = 1 << 16
_CHUNK_BYTES = 1 << 20
_CLOCK_NANOSECONDS = 50_000_000
"""How far apart two changes may be and still have the same time in a file system."""
_TAGGED = tuple(
    suffix for suffix, kind in MODULE_SUFFIXES if kind == EXTENSION and suffix.count(".") > 1
)
"""The endings of extension modules that no other library has."""


class Libraries:
    """The shared libraries of locked distributions.

    Args:
        table: the proved lists.
        roots: the files of each site root.
        refuse: reports a file, given its site root's files, its path there, where it is and its
            hash if it could be read; returns the error that says so.
        directory: where the hint for the next start is kept, if anywhere.
    """

    def __init__(
        self,
        table: ImportTable,
        roots: Mapping[str, RootFiles],
        refuse: Callable[[RootFiles, str, str, str | None], ChangedFileError],
        directory: str | None,
    ) -> None:
        self._lists = {proved.name: proved for proved in table.lists}
        self._roots = roots
        self._refuse = refuse
        self._directory = directory
        self._loaded: dict[str, None] = {}
        self._seen: dict[str, tuple[str, FileIdentity]] = {}
        self._ahead: ReadAhead | None = None

    def check(self, files: RootFiles, path: str, location: str) -> None:
        """Compare a shared library that is about to be loaded.

        Before the first one of a distribution all of its libraries are compared, as one
        loads others, and those of the distributions that it requires only for them. A change
        between this and the load isn't noticed.

        Raises:
            ChangedFileError: a file isn't what was locked, or can't be read.
        """
        digest = self._compare(files, [(path, location)])[path]
        for proved in files.lists:
            if proved.hashes.get(path) == digest:
                self._check_libraries_of(proved)

    def _check_libraries_of(self, first: ProvedList) -> None:
        for proved in self._with_libraries_for(first):
            if proved.name not in self._loaded:
                self._compare(self._roots[proved.root], libraries_of(proved))
                self._loaded[proved.name] = None

    def _with_libraries_for(self, first: ProvedList) -> Iterator[ProvedList]:
        """Yield a distribution, and those it requires that only ship libraries."""
        waiting, seen = [first], {first.name}
        while waiting:
            proved = waiting.pop()
            yield proved
            for name in proved.requires:
                required = self._lists.get(name)
                if required and name not in seen and _has_libraries_only(required):
                    seen.add(name)
                    waiting.append(required)

    def _compare(self, files: RootFiles, paths: Sequence[tuple[str, str]]) -> dict[str, str]:
        """Return the hashes of listed files, once all are what was locked.

        One that was compared before is hashed again only if it was touched since.
        """
        identities: dict[str, FileIdentity] = {}
        unknown: dict[str, int | None] = {}
        for _, location in paths:
            try:
                identity = identities[location] = identity_of(os.stat(location))
            except OSError:
                continue
            if self._seen.get(location, (None, None))[1] != identity:
                digest = self._ahead.take(location, identity) if self._ahead else None
                if digest is None:
                    unknown[location] = None
                else:
                    self._seen[location] = digest, identity
        for location, digest in hash_files(unknown).items():
            self._seen[location] = digest, identities[location]
        refusals = []
        found: dict[str, str] = {}
        for path, location in paths:
            seen = self._seen.pop(location, None)
            known = seen[0] if seen and seen[1] == identities.get(location) else None
            if seen and known and files.accepts(path, known):
                self._seen[location] = seen
                found[path] = known
            else:
                refusals.append(self._refuse(files, path, location, known))
        if refusals:
            raise refusals[0]
        return found

    def hash_ahead(self) -> None:
        """Begin to hash what the last start loaded, where there is a core for it.

        What this one loads is remembered for the next.
        """
        if self._directory is None or available_cores() < 2:
            return
        hinted = read_hint(self._directory)
        atexit.register(self._leave_hint, os.getpid(), self._directory, hinted)
        lists = [self._lists[name] for name in hinted if name in self._lists]
        locations = [location for proved in lists for _, location in libraries_of(proved)]
        if locations:
            self._ahead = ReadAhead(locations)

    def _leave_hint(self, process: int, directory: str, hinted: tuple[str, ...]) -> None:
        loaded = tuple(self._loaded)
        if os.getpid() == process and loaded != hinted:
            write_hint(directory, loaded)


def is_library(path: str) -> bool:
    """Whether a file is a shared library: `*.so`, `*.so.*`, `*.dylib`, `*.dll` or `*.pyd`."""
    name = path.rpartition("/")[2]
    return name.endswith((".so", ".dylib", ".dll", ".pyd")) or ".so." in name


def libraries_of(proved: ProvedList) -> list[tuple[str, str]]:
    """Return a distribution's shared libraries: each path in the list, and where it is."""
    return [(path, location_of(proved.root, path)) for path in proved.hashes if is_library(path)]


def _has_libraries_only(proved: ProvedList) -> bool:
    """Whether a distribution ships libraries for others, and no extension module."""
    paths = [path for path in proved.hashes if is_library(path)]
    return bool(paths) and not any(path.endswith(_TAGGED) for path in paths)


class ReadAhead:
    """A thread that hashes files, one after the other.

    Args:
        locations: the files, the one that is needed first in front.
    """

    def __init__(self, locations: Iterable[str]) -> None:
        self._waiting = list(locations)[::-1]
        self._hashes: dict[str, tuple[str, FileIdentity]] = {}
        self._is_stopped = False
        self._current: str | None = None
        self._ended = allocate_lock()
        self._ended.acquire()
        start_new_thread(self._work, ())
        # A fork of a process with several threads may hang, and Python warns of it.
        os.register_at_fork(before=self.stop)

    def take(self, location: str, identity: FileIdentity) -> str | None:
        """Return the SHA-256 of a file that has that identity now, None if it isn't known.

        Who asks then hashes the file, and the thread leaves it out.
        """
        try:
            self._waiting.remove(location)
            return None
        except ValueError:
            while self._current == location:
                time.sleep(0.001)
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
            while self._waiting and not self._is_stopped:
                try:
                    self._current = self._waiting.pop()
                    self._hash(self._current)
                except (IndexError, OSError):
                    continue
                finally:
                    self._current = None
        finally:
            self._is_stopped = True
            self._ended.release()

    def _hash(self, location: str) -> None:
        started = time.time_ns()
        with open_regular_file(location) as (descriptor, _):
            identity = identity_of(os.fstat(descriptor))
            digest = hashlib.sha256()
            while chunk := os.read(descriptor, _CHUNK_BYTES):
                digest.update(chunk)
                if self._is_stopped:
                    return
        if identity[-1] < started - _CLOCK_NANOSECONDS:
            self._hashes[location] = digest.hexdigest(), identity


def read_hint(directory: str) -> tuple[str, ...]:
    """Return the distributions whose libraries the last start loaded, in that order."""
    try:
        content = read_regular_file(os.path.join(directory, _FILE), _MAX_HINT_BYTES)
        return tuple(content.decode("ascii").split("\n"))
    except (OSError, ValueError):
        return ()


def write_hint(directory: str, names: Iterable[str]) -> None:
    """Remember what the next start may hash ahead; one that can't be kept is no error."""
    try:
        write_durably(os.path.join(directory, _FILE), "\n".join(names))
    except WriteError:
        return
