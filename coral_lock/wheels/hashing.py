"""The bytes of wheels, hashed once a run: whole files, and the files within."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager

from coral_lock.errors import BrokenDistributionError
from coral_lock.installed.digest import MAX_THREADS, available_cores, hash_file
from coral_lock.record import Record
from coral_lock.wheels.archive import WheelArchive
from coral_lock.wheels.cache import KnownWheel, is_lasting
from coral_lock.wheels.contents import WheelContents, read_contents
from coral_lock.wheels.metadata import known_distribution, read_distribution, read_facts
from coral_lock.wheels.zip_file import identity_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TypeVar

    from coral_lock.inventory import Distribution
    from coral_lock.wheels.cache import WheelCache
    from coral_lock.wheels.wheel_name import HouseWheel
    from coral_lock.wheels.zip_file import FileIdentity

    Outcome = TypeVar("Outcome")

MAX_KEPT_FILES = 30_000
"""How many files the wheels may have of which it is kept where they lie, some 10 MB."""


class WheelFile(Record):
    """A wheel as a file: where it is, its size in bytes, and the SHA-256 of all of it."""

    path: str
    file_name: str
    size: int
    sha256: str


class WheelHashes:
    """What wheels hold, each read at the first question; several threads may ask.

    Each wheel is one file from the first question to the last: where another comes to lie
    in its place, or somebody writes to it, it is refused.

    Args:
        cache: what earlier runs found, or None. It changes nothing but the time that it takes.
    """

    def __init__(self, cache: WheelCache | None) -> None:
        self._cache = cache
        self._identities: dict[str, FileIdentity] = {}
        self._files: dict[str, WheelFile] = {}
        self._contents: dict[str, WheelContents | BrokenDistributionError] = {}
        self._known_contents: dict[str, WheelContents] = {}
        self._archives: dict[str, WheelArchive] = {}
        self._last: WheelArchive | None = None
        self._room = MAX_KEPT_FILES

    def distribution(self, wheel: HouseWheel) -> Distribution:
        """Return what a wheel says of itself; it is opened unless the cache knows it.

        Raises:
            BrokenDistributionError: it can't be used.
        """
        known = self._known(wheel.path)
        distribution = None if known is None else known_distribution(known.facts, wheel)
        if known is not None and distribution is not None:
            if self._take_room(len(known.contents.files)):
                self._known_contents[wheel.path] = known.contents
            return distribution
        with self._opened(wheel.path) as archive:
            return read_distribution(archive)

    def read(self, path: str, site_path: str, limit: int) -> bytes | None:
        """Return the content of a file in a wheel by its path under the site root, or None.

        Raises:
            BrokenDistributionError: as `WheelArchive` and its `read`.
        """
        known = self._archive(path)
        if known is not None and not known.has(site_path):
            return None
        with self._opened(path) as archive:
            return archive.read(site_path, limit)

    def file(self, path: str) -> WheelFile:
        """Return the size and the hash of a wheel.

        Raises:
            BrokenDistributionError: it can't be read, or changed while it was read.
        """
        if path not in self._files:
            identity = self._identity(path)
            self._files[path] = WheelFile(
                path=path,
                file_name=os.path.basename(path),
                size=identity[2],
                sha256=self._known_hash(identity) or self._hash(path, identity),
            )
        return self._files[path]

    def contents(self, path: str) -> WheelContents:
        """Return the hashes of the files in a wheel whose archive is known to be sound.

        Raises:
            BrokenDistributionError: its RECORD doesn't state them, it can't be read, or it
                changed while it was read.
        """
        if path not in self._contents:
            try:
                self._contents[path] = self._read(path)
            except BrokenDistributionError as error:
                self._contents[path] = error
        contents = self._contents[path]
        if isinstance(contents, BrokenDistributionError):
            raise contents
        return contents

    def has_contents(self, path: str) -> bool:
        """Whether `contents` has an answer at hand, so that no thread is needed for it."""
        return path in self._contents or path in self._known_contents

    def save(self) -> None:
        """Keep for later runs which file has which hash, if there is a cache."""
        if self._cache is not None:
            self._cache.files.save()

    def _read(self, path: str) -> WheelContents:
        contents = self._known_contents.pop(path, None)
        if contents is not None:
            self._room += len(contents.files)
            self._identity(path)
            return contents
        sha256 = "" if self._cache is None else self.file(path).sha256
        known = None if self._cache is None else self._cache.load(sha256)
        if known is not None:
            return known.contents
        with self._opened(path) as archive:
            known = KnownWheel(facts=read_facts(archive), contents=read_contents(archive))
        self._identity(path)
        if self._cache is not None:
            self._cache.store(sha256, known)
        if self._archives.pop(path, None) is not None:
            self._room += len(archive.members)
        return known.contents

    def _archive(self, path: str) -> WheelArchive | None:
        last = self._last
        return last if last is not None and last.path == path else self._archives.get(path)

    @contextmanager
    def _opened(self, path: str) -> Iterator[WheelArchive]:
        """Open a wheel, and keep its structure until its contents were read, if there is room.

        That of the last one is kept in any case, as many files of one are read in a row.
        """
        with self._archive(path) or WheelArchive(path) as archive:
            assert archive.identity is not None
            self._refuse_other(path, archive.identity)
            self._last = archive
            if path not in self._archives and self._take_room(len(archive.members)):
                self._archives[path] = archive
            yield archive

    def _known(self, path: str) -> KnownWheel | None:
        """Return what the cache knows of a wheel, of which no byte is read for that."""
        if self._cache is None:
            return None
        try:
            sha256 = self._known_hash(self._identity(path))
        except BrokenDistributionError:
            return None
        return None if sha256 is None else self._cache.load(sha256)

    def _known_hash(self, identity: FileIdentity) -> str | None:
        return None if self._cache is None else self._cache.files.get(identity)

    def _hash(self, path: str, identity: FileIdentity) -> str:
        now = time.time_ns()
        try:
            sha256 = hash_file(path)
        except OSError as error:
            raise _unreadable(path, error) from None
        self._identity(path)
        if self._cache is not None and is_lasting(identity, now):
            self._cache.files.add(identity, sha256)
        return sha256

    def _identity(self, path: str) -> FileIdentity:
        try:
            identity = identity_of(os.stat(path))
        except OSError as error:
            raise _unreadable(path, error) from None
        self._refuse_other(path, identity)
        return identity

    def _refuse_other(self, path: str, identity: FileIdentity) -> None:
        # There are network file systems that number an inode anew whenever they are asked.
        if self._identities.setdefault(path, identity)[2:] != identity[2:]:
            raise BrokenDistributionError(
                "the wheel changed while it was read",
                code="wheel-malformed",
                where=path,
                hint="run the command again when nothing writes to the wheelhouse",
            )

    def _take_room(self, count: int) -> bool:
        """Whether there is room to keep what is known of that many files; it is taken then."""
        has_room = count <= self._room
        self._room -= count if has_room else 0
        return has_room


def _unreadable(path: str, error: OSError) -> BrokenDistributionError:
    return BrokenDistributionError(
        f"the wheel can't be read: {error.strerror or error}",
        code="wheel-malformed",
        where=path,
        hint="make it readable, or take it out of the wheelhouse",
    )


def in_threads(
    work: Callable[[str], Outcome], costs: Mapping[str, int], names: Sequence[str]
) -> Iterator[tuple[str, Outcome]]:
    """Yield each of the names with what `work` makes of it, in their order.

    The costliest are begun first, so that no core waits for a large one at the end; hashing
    and inflating release the interpreter. What costs nothing takes no thread. A caller that
    stops early waits for those begun.

    Args:
        work: what to do for a name.
        costs: what it costs for each name, in any unit.
        names: the names, each at least once in `costs`.
    """
    free = {name: work(name) for name in dict.fromkeys(names) if not costs[name]}
    order = sorted(set(names).difference(free), key=lambda name: (-costs[name], name))
    if not order:
        yield from ((name, free[name]) for name in names)
        return
    # Its import takes as long as all of this where every wheel is known.
    from concurrent.futures import ThreadPoolExecutor

    threads = min(len(order), available_cores(), MAX_THREADS)
    with ThreadPoolExecutor(threads) as pool:
        futures = {name: pool.submit(work, name) for name in order}
        try:
            for name in names:
                yield name, free[name] if name in free else futures[name].result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
