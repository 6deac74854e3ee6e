"""Listed files that others than our loaders read: compared once per state of the file.

The shared libraries of a distribution are compared when its first module is imported, as native
code loads others without asking. Those that the last start loaded are hashed ahead in a second
thread. What it loaded is a hint and no evidence: a hash that was taken ahead counts only for a
file of which nothing has changed since.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import struct
import time
from _thread import allocate_lock, start_new_thread

from coral_lock.errors import WriteError
from coral_lock.imports.table import EXTENSION, MODULE_SUFFIXES, is_library, location_of
from coral_lock.installed.digest import available_cores, hash_files
from coral_lock.safe_files import (
    identity_of,
    open_regular_file,
    read_regular_file,
    write_durably,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from coral_lock.errors import ChangedFileError
    from coral_lock.finding import Finding
    from coral_lock.imports.table import ImportTable, ProvedList, RootFiles
    from coral_lock.safe_files import FileIdentity


_FILE = "libraries"
_MAX_HINT_BYTES = 1 << 16
_MAX_ENTRIES = 1 << 10
_MAX_RUN_PATH_BYTES = 1 << 14
_CHUNK_BYTES = 1 << 20
_CLOCK_NANOSECONDS = 50_000_000
"""How far apart two changes may be and still have the same time in a file system."""
_LONG_SECONDS = 1.0
_TAGGED = tuple(
    suffix for suffix, kind in MODULE_SUFFIXES if kind == EXTENSION and suffix.count(".") > 1
)
"""The endings of extension modules that no other library has."""
_VARIANTS = frozenset(
    ("aarch64", "atomics", "avx512_1", "glibc-hwcaps", "haswell", "tls", "x86_64", "xeon_phi")
)
"""The folders in which the loader looks for a library made for this machine (ld.so(8))."""


class Libraries:
    """The files of locked distributions, above all their shared libraries.

    Args:
        table: the proved lists.
        roots: the files of each site root.
        refuse: reports a finding, and returns the error that says so.
        directory: where the hint for the next start is kept, if anywhere.

    Attributes:
        slow: a sentence about each file whose hash took longer than a second.
    """

    def __init__(
        self,
        table: ImportTable,
        roots: Mapping[str, RootFiles],
        refuse: Callable[[Finding], ChangedFileError],
        directory: str | None,
    ) -> None:
        self.slow: list[str] = []
        self._lists = {proved.name: proved for proved in table.lists}
        self._roots = roots
        self._refuse = refuse
        self._directory = directory
        self._shipped: dict[str, list[tuple[str, str]]] | None = None
        self._loaded: dict[str, None] = {}
        self._seen: dict[str, tuple[str, FileIdentity]] = {}
        self._ahead: ReadAhead | None = None

    def check_owners(self, files: RootFiles, path: str) -> None:
        """Compare the libraries of the distributions that ship a module, before it is imported.

        Raises:
            ChangedFileError: see `check`.
        """
        for name in self._unchecked():
            proved = self._lists[name]
            if path in proved.hashes and proved.root == files.root:
                self._check_libraries_of(proved)

    def check(self, files: RootFiles, path: str, location: str) -> None:
        """Compare a shared library that is about to be loaded.

        Before the first one of a distribution all of its libraries are compared, as one loads
        others, and those of all distributions that it requires. A change between this and the
        load isn't noticed.

        Raises:
            ChangedFileError: a file isn't what was locked, or can't be read; or one that isn't
                listed would be loaded.
        """
        self.compare(files, path, location)
        for proved in files.lists:
            if path in proved.hashes:
                self._check_libraries_of(proved)

    def compare(self, files: RootFiles, path: str, location: str) -> None:
        """Compare a listed file.

        Raises:
            ChangedFileError: it isn't what was locked, or can't be read.
        """
        self._compare(files, ((path, location),))

    def _unchecked(self) -> list[str]:
        """Return the distributions with libraries that haven't been compared."""
        if self._shipped is None:
            self._shipped = {}
            for proved in self._lists.values():
                if libraries := libraries_of(proved):
                    self._shipped[proved.name] = libraries
        return [name for name in self._shipped if name not in self._loaded]

    def _check_libraries_of(self, first: ProvedList) -> None:
        waiting, seen = [first.name], {first.name}
        unchecked = dict.fromkeys(self._unchecked())
        while waiting:
            proved = self._lists[waiting.pop()]
            required = [name for name in proved.requires if name in self._lists]
            waiting.extend(name for name in required if name not in seen)
            seen.update(required)
            if proved.name in unchecked and self._shipped:
                files, libraries = self._roots[proved.root], self._shipped[proved.name]
                self._compare(files, libraries)
                self._refuse_others(proved, files, libraries)
                self._loaded[proved.name] = None

    def _refuse_others(
        self, proved: ProvedList, files: RootFiles, libraries: Iterable[tuple[str, str]]
    ) -> None:
        """Refuse unlisted libraries where the loader would look for what these need."""
        root = proved.root
        found = {place for _, at in libraries for place in search_directories(at)}
        waiting = sorted(place for place in found if f"{place}/".startswith(f"{root}/"))
        while waiting:
            place = waiting.pop()
            try:
                names = sorted(os.listdir(place))
            except OSError:
                continue
            is_variant = place.endswith("/glibc-hwcaps")
            for name in names:
                path = f"{place}/{name}"[len(root) + 1 :]
                if name in _VARIANTS or is_variant:
                    waiting.append(f"{place}/{name}")
                elif is_library(name) and path not in files.hashes and not name.endswith(_TAGGED):
                    from coral_lock.finding import Finding

                    finding = Finding(
                        code="unlocked-file",
                        subject=proved.name,
                        summary=f"unexpected file `{path}`, where native code of "
                        f"`{proved.name}` looks for libraries",
                        where=f"{place}/{name}",
                        hint="remove the file and identify its source; if another distribution "
                        "ships it, lock that one too",
                    )
                    raise self._refuse(finding)

    def _compare(self, files: RootFiles, paths: Sequence[tuple[str, str]]) -> None:
        """Compare listed files; one is hashed again only if it was touched since.

        What was touched a moment ago is, as the next change could have the same time.
        """
        identities: dict[str, FileIdentity] = {}
        hashes: dict[str, str] = {}
        unknown: dict[str, int | None] = {}
        for _, location in paths:
            try:
                identity = identities[location] = identity_of(os.stat(location))
            except OSError:
                continue
            seen = self._seen.get(location)
            if seen is None or seen[1] != identity:
                digest = self._ahead.take(location, identity) if self._ahead else None
                if digest is None:
                    unknown[location] = None
                else:
                    hashes[location] = digest
        if not unknown and not hashes and len(identities) == len(paths):
            return
        started, clock = time.time_ns(), time.perf_counter()
        hashes.update(hash_files(unknown))
        seconds = time.perf_counter() - clock
        if len(unknown) == 1 and seconds > _LONG_SECONDS:
            location = next(iter(unknown))
            size = identities[location][2] / (1 << 20)
            self.slow.append(f"hashing `{location}` ({size:,.0f} MiB) took {seconds:.1f} s")
        refusals = []
        for path, location in paths:
            digest = hashes.get(location)
            if digest is None and location in identities and location not in unknown:
                continue
            if digest is None or not files.accepts(path, digest):
                self._seen.pop(location, None)
                refusals.append(self._refuse(files.mismatch(path, location, digest)))
            elif identities[location][-1] < started - _CLOCK_NANOSECONDS:
                self._seen[location] = digest, identities[location]
        if refusals:
            raise refusals[0]

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


def libraries_of(proved: ProvedList) -> list[tuple[str, str]]:
    """Return a distribution's shared libraries: each path in the list, and where it is."""
    return [(path, location_of(proved.root, path)) for path in proved.hashes if is_library(path)]


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


def search_directories(path: str) -> list[str]:
    """Return where the loader looks first for what an ELF file needs: DT_RPATH and DT_RUNPATH.

    `$ORIGIN` is the file's directory, `$LIB` is `lib` and `lib64`, and a directory with
    `$PLATFORM` is left out (ld.so(8)). Of what is no ELF file, or is damaged, nothing is returned.
    """
    try:
        with open_regular_file(path) as (descriptor, _):
            texts = _run_paths(descriptor)
    except (OSError, OverflowError, ValueError, struct.error):
        return []
    origin = os.path.dirname(os.path.realpath(path))
    found: dict[str, None] = {}
    for entry in ":".join(texts).split(":"):
        for lib in ("lib", "lib64"):
            place = entry
            for name, value in (("ORIGIN", origin), ("LIB", lib)):
                place = place.replace(f"${name}", value).replace(f"${{{name}}}", value)
            if place.startswith("/") and "$" not in place:
                found[os.path.normpath(place)] = None
    return list(found)


def _run_paths(descriptor: int) -> list[str]:
    """Return the texts of DT_RPATH and DT_RUNPATH (System V ABI, chapters 4 and 5)."""
    head = os.pread(descriptor, 64, 0)
    if len(head) < 52 or head[:4] != b"\x7fELF":
        return []
    order = ">" if head[5] == 2 else "<"
    is_wide = head[4] == 2
    (table,) = struct.unpack_from(order + ("Q" if is_wide else "I"), head, 32 if is_wide else 28)
    size, count = struct.unpack_from(order + "2H", head, 54 if is_wide else 42)
    segments, dynamic = [], b""
    # In the wide form the flags come second; the others are offset, address, -, size in the file.
    form = order + ("I4x4Q" if is_wide else "5I")
    rows = os.pread(descriptor, size * min(count, _MAX_ENTRIES), table)
    for at in range(0, len(rows) - struct.calcsize(form) + 1, max(size, 1)):
        kind, offset, address, _, length = struct.unpack_from(form, rows, at)
        if kind == 1:
            segments.append((offset, address, length))
        elif kind == 2:
            dynamic = os.pread(descriptor, min(length, _MAX_ENTRIES * 16), offset)
    pair = struct.Struct(order + ("qQ" if is_wide else "iI"))
    entries = list(pair.iter_unpack(dynamic[: len(dynamic) // pair.size * pair.size]))
    strings = dict(entries).get(5, 0)
    for offset, address, length in segments:
        if address <= strings < address + length:
            place = offset + strings - address
            texts = [
                os.pread(descriptor, _MAX_RUN_PATH_BYTES, place + at)
                for tag, at in entries
                if tag in (15, 29)
            ]
            return [os.fsdecode(text.partition(b"\0")[0]) for text in texts]
    return []
