"""A wheelhouse: directories of wheels, listed once and read wheel by wheel; its cache.

What fits a target is a source of releases, and what was chosen of them an inventory, as if it were
installed there.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache

from packaging.version import InvalidVersion, Version

from coral_lock.errors import BrokenDistributionError, InputError, UnreadableSourceError, quoted
from coral_lock.installed.digest import MAX_THREADS, available_cores, hash_file
from coral_lock.inventory import BrokenDistribution, Distribution, Reporter, StatedFiles
from coral_lock.safe_files import (
    FileIdentity,
    identity_of,
    make_private_directories,
    read_regular_file,
)
from coral_lock.targets.environment import TargetEnvironment
from coral_lock.wheels.archive import WheelArchive, find_dist_info
from coral_lock.wheels.contents import WheelContents, distribution_of, read_contents, read_texts
from coral_lock.wheels.listing import FILL, HouseWheel, best_rank, list_wheels, sorted_tags
from coral_lock.wheels.zip_file import malformed, unreadable

_CACHE_LEVELS = ("coral-lock", "wheels", "v7")
"""The last one is the version of the format, and of what makes a wheel sound."""

MAX_CACHED_BYTES = 32 << 20
MAX_SOURCE_BYTES = 1 << 20

_MAX_KEPT_MEMBERS = 200_000
"""Of how many files the place in their wheels is kept, so that wheels aren't laid out twice."""

MAX_REQUIREMENTS_LENGTH = 64 << 20
"""How many characters of requirements the wheels of a run may state together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelFile:
    """A wheel as a file: its path and name, its size in bytes, and the SHA-256 of all of it."""

    path: str
    file_name: str
    size: int
    sha256: str


class Wheelhouse:
    """The wheels in some directories, by distribution and version.

    The directories are listed at construction, without their subdirectories; files that aren't
    named `*.whl` are ignored. A wheel is opened when something is asked of it. Each must stay
    the same file from the first question to the last.

    Args:
        directories: where to look. Several may hold the same file.
        cache: what earlier runs found in wheels, or None. It affects nothing but speed.
        if_empty: as `list_wheels` has it.

    Attributes:
        broken: why some of the files aren't wheels by their name, sorted by path; for the
            caller to report.

    Raises:
        InputError: as `list_wheels`.
    """

    def __init__(
        self,
        directories: Sequence[str],
        *,
        cache: WheelCache | None = None,
        if_empty: str | None = FILL,
    ) -> None:
        self._wheels: dict[str, dict[Version, list[HouseWheel]]] = {}
        wheels, self.broken = list_wheels(directories, if_empty)
        for wheel in wheels:
            self._wheels.setdefault(wheel.name, {}).setdefault(wheel.version, []).append(wheel)
        self._cache = cache if cache and cache.problem is None else None
        self._identities: dict[str, FileIdentity] = {}
        self._found: dict[str, Distribution | BrokenDistribution] = {}
        self._files: dict[str, WheelFile] = {}
        self._known: dict[str, WheelContents | None] = {}
        self._contents: dict[str, WheelContents | BrokenDistributionError] = {}
        self._archives: dict[str, WheelArchive] = {}
        self._members = 0
        self._requirements = 0

    def names(self) -> tuple[str, ...]:
        """Return the normalized names of the distributions, sorted."""
        return tuple(sorted(self._wheels))

    def versions(self, name: str) -> Mapping[Version, Sequence[HouseWheel]]:
        """Return the wheels of a distribution by version; each version's sorted by file name."""
        return self._wheels.get(name, {})

    def wheels_of(self, name: str, version: str) -> tuple[HouseWheel, ...]:
        """Return the wheels of a version, in any spelling of it, sorted by file name."""
        try:
            return tuple(self.versions(name).get(Version(version), ()))
        except InvalidVersion:
            return ()

    def distribution(self, wheel: HouseWheel) -> Distribution | BrokenDistribution:
        """Return what a wheel says of itself, or why it can't be used; it is read once.

        Raises:
            InputError: all wheels that were read state more requirements than is kept.
        """
        if wheel.path not in self._found:
            try:
                found: Distribution | BrokenDistribution = self._read_distribution(wheel)
            except BrokenDistributionError as error:
                found = BrokenDistribution(name=wheel.name, location=wheel.path, error=error)
            self._found[wheel.path] = found
        return self._found[wheel.path]

    def file(self, wheel: HouseWheel) -> WheelFile:
        """Return the size and the SHA-256 of a wheel as a whole, computed once.

        Raises:
            BrokenDistributionError: it can't be read.
        """
        path = wheel.path
        if path not in self._files:
            size = self._identity(path)[2]
            try:
                sha256 = hash_file(path)
            except OSError as error:
                raise unreadable(path, error) from None
            self._identity(path)
            self._files[path] = WheelFile(
                path=path, file_name=wheel.file_name, size=size, sha256=sha256
            )
        return self._files[path]

    def contents(self, wheel: HouseWheel) -> WheelContents | BrokenDistributionError:
        """Return the hashes of the files in a wheel, or why it can't be used; it is read once.

        Threads may ask for several wheels.
        """
        if wheel.path not in self._contents:
            try:
                self._contents[wheel.path] = self._read_contents(wheel)
            except BrokenDistributionError as error:
                self._contents[wheel.path] = error
        return self._contents[wheel.path]

    def contents_of(
        self, wheels: Sequence[HouseWheel], reporter: Reporter
    ) -> Iterator[WheelContents | BrokenDistributionError]:
        """Yield the contents of each of the wheels, in their order, or why it has none.

        Several threads hash them, as hashing and inflating release the interpreter. The largest
        are started first, so that no core waits for one at the end. A caller that stops early
        waits for those started. Progress goes to the reporter.
        """
        by_path = {wheel.path: wheel for wheel in wheels}
        # Threads share none of the archives from which this is read.
        for wheel in by_path.values():
            self.distribution(wheel)
        done = itertools.count(1)

        def read(path: str) -> WheelContents | BrokenDistributionError:
            contents = self.contents(by_path[path])
            reporter.hashing(by_path[path].name, next(done), len(by_path))
            return contents

        with ThreadPoolExecutor(min(available_cores(), MAX_THREADS)) as pool:
            largest_first = sorted(by_path, key=lambda path: (-self._size(path), path))
            futures = {path: pool.submit(read, path) for path in largest_first}
            try:
                for wheel in wheels:
                    yield futures[wheel.path].result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def read_source(self, wheel: HouseWheel, path: str) -> bytes | None:
        """Return one of a wheel's files by its path under the site root, or None.

        Raises:
            BrokenDistributionError: the wheel isn't sound, or the file has more than 1 MiB.
        """
        with self._opened(wheel.path) as archive:
            return archive.read(path, MAX_SOURCE_BYTES)

    def _read_distribution(self, wheel: HouseWheel) -> Distribution:
        if wheel.problem is not None:
            raise wheel.problem
        known = self._recall(wheel)
        if known is not None:
            # What the cache holds doesn't depend on the file name, so that it is compared here.
            dist_info, texts = find_dist_info([known.dist_info], wheel), known.texts
        else:
            with self._opened(wheel.path) as archive:
                dist_info, texts = archive.dist_info, read_texts(archive)
        distribution = distribution_of(wheel, dist_info, texts)
        self._requirements += sum(map(len, distribution.requires))
        if self._requirements > MAX_REQUIREMENTS_LENGTH:
            raise InputError(
                f"the wheels state more than {MAX_REQUIREMENTS_LENGTH >> 20} MiB of requirements",
                where=wheel.path,
                hint="make a wheelhouse of what may be locked",
            )
        return distribution

    def _recall(self, wheel: HouseWheel) -> WheelContents | None:
        """Return what the cache knows of a wheel, or None."""
        if self._cache is None:
            return None
        if wheel.path not in self._known:
            self._known[wheel.path] = self._cache.load(self.file(wheel).sha256)
        return self._known[wheel.path]

    def _read_contents(self, wheel: HouseWheel) -> WheelContents:
        distribution = self.distribution(wheel)
        if isinstance(distribution, BrokenDistribution):
            raise distribution.error
        self._identity(wheel.path)
        contents = self._recall(wheel)
        if contents is None:
            # No other thread reads this wheel, and nobody will ask for its structure again.
            with self._archives.pop(wheel.path, None) or WheelArchive(wheel.path) as archive:
                self._refuse_other(wheel.path, archive.identity)
                contents = read_contents(archive)
            self._identity(wheel.path)
            if self._cache is not None:
                self._cache.store(self.file(wheel).sha256, contents)
        # What the cache holds doesn't depend on the file name, so that it is compared here.
        if sorted_tags(wheel.tags) != contents.tag:
            raise malformed(
                wheel.path,
                f"the file name states other tags than WHEEL, which states {quoted(contents.tag)}",
            )
        return contents

    @contextlib.contextmanager
    def _opened(self, path: str) -> Iterator[WheelArchive]:
        """Open a wheel, whose structure is kept until its contents are read."""
        archive = self._archives.get(path) or WheelArchive(path)
        with archive:
            self._refuse_other(path, archive.identity)
            if path not in self._archives:
                self._members += len(archive.members)
                if self._members > _MAX_KEPT_MEMBERS:
                    self._archives.clear()
                    self._members = len(archive.members)
                self._archives[path] = archive
            yield archive

    def _identity(self, path: str) -> FileIdentity:
        """Return the identity of a wheel's file, which is still the same."""
        try:
            identity = identity_of(os.stat(path))
        except OSError as error:
            raise unreadable(path, error) from None
        self._refuse_other(path, identity)
        return identity

    def _refuse_other(self, path: str, identity: FileIdentity) -> None:
        # Some network file systems return another inode number at every call.
        if self._identities.setdefault(path, identity)[2:] != identity[2:]:
            raise malformed(
                path,
                "the wheel changed while it was read",
                "run the command again when nothing writes to the wheelhouse",
            )

    def _size(self, path: str) -> int:
        """Return the size of a wheel's file, 0 for one that wasn't opened."""
        return self._identities[path][2] if path in self._identities else 0


@dataclass(frozen=True, slots=True)
class WheelhouseInventory:
    """One wheel of each distribution; an `inventory.Inventory`.

    Args:
        wheelhouse: where the wheels are.
        environment: the target that they are for.
        wheels: the wheels by the normalized names of their distributions.
    """

    wheelhouse: Wheelhouse
    environment: TargetEnvironment
    wheels: Mapping[str, HouseWheel]

    def plugin_distributions(self) -> tuple[Distribution | BrokenDistribution, ...]:
        """Return the distributions that declare plugins or are broken, sorted by name."""
        found = []
        for name in sorted(self.wheels):
            distribution = self.wheelhouse.distribution(self.wheels[name])
            if isinstance(distribution, BrokenDistribution) or distribution.declares_plugins:
                found.append(distribution)
        return tuple(found)

    def find(self, name: str) -> Distribution | BrokenDistribution | None:
        """Return the distribution of that normalized name, or None."""
        wheel = self.wheels.get(name)
        return None if wheel is None else self.wheelhouse.distribution(wheel)

    def read_source(self, name: str, path: str) -> bytes | None:
        """Return one of a distribution's own files by its path under the site root.

        Raises:
            UnreadableSourceError: it has more than 1 MiB, or isn't what the wheel states.
        """
        wheel = self.wheels.get(name)
        if wheel is None:
            return None
        try:
            return self.wheelhouse.read_source(wheel, path)
        except BrokenDistributionError as error:
            raise UnreadableSourceError(error.message, where=error.where) from None

    def digests(
        self, names: Sequence[str], reporter: Reporter
    ) -> Iterator[tuple[str, Mapping[str, str] | BrokenDistributionError]]:
        """Yield the digest of each wheel's files under its wheel tag.

        Raises:
            KeyError: there is no such distribution.
        """
        wheels = [self.wheels[name] for name in names]
        for contents, name in zip(self.wheelhouse.contents_of(wheels, reporter), names):
            if isinstance(contents, BrokenDistributionError):
                yield name, contents
            else:
                yield name, {contents.tag: contents.digest}

    def stated(self, name: str) -> StatedFiles:
        """Return the hashes of a wheel's files, which its RECORD states truly."""
        found = self.wheelhouse.contents(self.wheels[name])
        if isinstance(found, BrokenDistributionError):
            return StatedFiles()
        return StatedFiles(files=found.files, outside=found.outside, commands=found.commands)

    def outside_hashes(self, name: str) -> Mapping[str, str]:
        """Return the hashes of the scripts, headers and data.

        Raises:
            BrokenDistributionError: the wheel can't be used.
        """
        found = self.wheelhouse.contents(self.wheels[name])
        if isinstance(found, BrokenDistributionError):
            raise found
        return found.outside

    def python_version(self) -> str:
        """Return the Python of the target."""
        return self.environment.markers["python_version"]

    def marker_environment(self) -> Mapping[str, str]:
        """Return the marker environment of the target."""
        return self.environment.markers


class WheelhouseView:
    """The wheels that fit a target; an `inventory.ReleaseSource`.

    Where several wheels of one version fit, the best is taken: the one whose best tag the
    target prefers (PEP 425), then the highest build number, then the first file name. The
    Python versions that a wheel requires are left to the caller.

    Args:
        wheelhouse: where the wheels are.
        environment: the target.
    """

    def __init__(self, wheelhouse: Wheelhouse, environment: TargetEnvironment) -> None:
        self._wheelhouse = wheelhouse
        self._environment = environment
        ranks = {tag: rank for rank, tag in enumerate(environment.tags)}
        self._rank = cache(lambda tags: best_rank(tags, ranks))
        self._releases: dict[str, tuple[str, ...]] = {}

    def names(self) -> tuple[str, ...]:
        """Return the distributions of which there is any wheel, sorted."""
        return self._wheelhouse.names()

    def releases(self, name: str) -> tuple[str, ...]:
        """Return the versions that have a wheel which fits the target, the newest first.

        A version is written as the file name of its best wheel has it, normalized (PEP 440).
        """
        if name not in self._releases:
            versions = self._wheelhouse.versions(name)
            self._releases[name] = tuple(
                str(best.version)
                for version in sorted(versions, reverse=True)
                if (best := self._best_of(versions[version])) is not None
            )
        return self._releases[name]

    def unfitting(self, name: str) -> dict[str, str]:
        """Return the versions of the wheels that don't fit the target, by their file names."""
        return {
            wheel.file_name: str(wheel.version)
            for wheel in itertools.chain.from_iterable(self._wheelhouse.versions(name).values())
            if self._rank(wheel.tags) is None
        }

    def distribution_of(self, name: str, file_name: str) -> Distribution | BrokenDistribution:
        """Return what one of those wheels says of itself."""
        wheels = itertools.chain.from_iterable(self._wheelhouse.versions(name).values())
        found = next(wheel for wheel in wheels if wheel.file_name == file_name)
        return self._wheelhouse.distribution(found)

    def distribution(self, name: str, version: str) -> Distribution | BrokenDistribution:
        """Return what the wheel of a version says of itself; it is read once.

        Raises:
            KeyError: `releases` doesn't have the version.
        """
        wheel = self.wheel(name, version)
        if wheel is None:
            raise KeyError(name, version)
        return self._wheelhouse.distribution(wheel)

    def wheel(self, name: str, version: str) -> HouseWheel | None:
        """Return the best wheel of a version, in any spelling of it, or None."""
        return self._best_of(self._wheelhouse.wheels_of(name, version))

    def chosen(self, versions: Mapping[str, str]) -> WheelhouseInventory:
        """Return the inventory of just these versions, by name.

        A version without a wheel that fits the target is left out.
        """
        wheels = {
            name: wheel
            for name, version in sorted(versions.items())
            if (wheel := self.wheel(name, version)) is not None
        }
        return WheelhouseInventory(self._wheelhouse, self._environment, wheels)

    def marker_environment(self) -> Mapping[str, str]:
        """Return the environment (PEP 508) that requirements are evaluated for."""
        return self._environment.markers

    def _best_of(self, wheels: Iterable[HouseWheel]) -> HouseWheel | None:
        ranked = [(wheel, rank) for wheel in wheels if (rank := self._rank(wheel.tags)) is not None]
        best = max(ranked, key=lambda each: (-each[1], each[0].build), default=None)
        return best[0] if best else None


class WheelCache:
    """What wheels hold, kept between runs; the cache affects nothing but speed.

    It may be deleted at any time, and a command never fails because of it. Its directory,
    `coral-lock/wheels/v7`, is created with mode 0700. For each wheel that was read to the end and
    found sound it holds a file, named by the SHA-256 of the whole wheel. The file holds nothing
    that depends on the wheel's name or place, so it can't become stale: other bytes have another
    name. Its first line is the SHA-256 of the rest, which is JSON.

    Args:
        base: the parent directory, `$XDG_CACHE_HOME` or `~/.cache` by default.

    Attributes:
        problem: why nothing is kept or believed, or None: others can write to the directory,
            or it can't be created.
    """

    def __init__(self, base: str | None = None) -> None:
        base = base or default_cache_base()
        *levels, self._path = itertools.accumulate((base, *_CACHE_LEVELS), os.path.join)
        self.problem: str | None = None
        try:
            os.makedirs(base, mode=0o700, exist_ok=True)
            make_private_directories((*levels[1:], self._path))
        except OSError as error:
            self.problem = f"`{error.filename}` can't be used: {error.strerror}"

    def load(self, sha256: str) -> WheelContents | None:
        """Return what is known of the wheel with this SHA-256, or None."""
        if self.problem is not None:
            return None
        try:
            content = read_regular_file(os.path.join(self._path, sha256), MAX_CACHED_BYTES)
            checksum, _, body = content.partition(b"\n")
            if hashlib.sha256(body).hexdigest().encode("ascii") != checksum:
                return None
            stated, fields = json.loads(body)
            contents = WheelContents(**{**fields, "commands": tuple(fields["commands"])})
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None
        return contents if stated == sha256 else None

    def files_of(self, digest: str) -> Mapping[str, str] | None:
        """Return the files of a wheel with this `t1` digest, as `WheelContents` has them.

        It isn't named by that, so all that is known is read.
        """
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(self._path)):
                contents = self.load(name)
                if contents is not None and contents.digest == digest:
                    return contents.files
        return None

    def store(self, sha256: str, contents: WheelContents) -> None:
        """Keep what is known of the wheel with this SHA-256, if that is possible."""
        if self.problem is not None:
            return
        body = json.dumps([sha256, asdict(contents)], separators=(",", ":")).encode("ascii")
        # The file has no other name to be deleted by once it is in place.
        with (
            contextlib.suppress(OSError),
            tempfile.NamedTemporaryFile(prefix=f".{sha256}.", dir=self._path) as file,
        ):
            file.write(hashlib.sha256(body).hexdigest().encode("ascii") + b"\n" + body)
            file.flush()
            os.replace(file.name, os.path.join(self._path, sha256))


def default_cache_base() -> str:
    """Return `$XDG_CACHE_HOME`, by default `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return base if os.path.isabs(base) else os.path.join(os.path.expanduser("~"), ".cache")
