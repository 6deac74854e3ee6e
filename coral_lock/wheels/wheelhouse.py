"""A wheelhouse: directories of wheels, listed once and opened wheel by wheel."""

from __future__ import annotations

import os

from packaging.version import InvalidVersion, Version

from coral_lock.errors import BrokenDistributionError, InputError
from coral_lock.inventory import BrokenDistribution
from coral_lock.safe_files import open_regular_file
from coral_lock.wheels.hashing import WheelHashes
from coral_lock.wheels.index_page import read_yanked
from coral_lock.wheels.wheel_name import parse_wheel_name, sorted_tags
from coral_lock.wheels.zip_file import malformed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from coral_lock.inventory import Distribution, FoundDistribution
    from coral_lock.wheels.cache import WheelCache
    from coral_lock.wheels.contents import WheelContents
    from coral_lock.wheels.hashing import WheelFile
    from coral_lock.wheels.wheel_name import HouseWheel

MAX_WHEELS = 200_000
MAX_REQUIREMENTS_LENGTH = 64 << 20
"""How many characters of requirements the wheels of a run may state together."""

_CHUNK_BYTES = 1 << 20


class Wheelhouse:
    """The wheels that lie in some directories, by distribution and version.

    The directories are listed at construction, without those beneath them; what isn't named
    `*.whl` is passed over. A wheel is opened when something is asked of it, and closed again.

    Args:
        directories: where to look. Several may hold the same file.
        cache: what earlier runs found in wheels, or None.

    Attributes:
        broken: why some of the files can't be told to be wheels, sorted by path: for the
            caller to report, as nobody can ask for them.

    Raises:
        InputError: a directory can't be listed, there is no wheel at all, there are more than
            200,000, or an index page beside them is malformed.
    """

    def __init__(self, directories: Sequence[str], *, cache: WheelCache | None = None) -> None:
        places = _list_wheels(directories)
        if not places:
            raise InputError(
                "there are no wheels",
                where=", ".join(directories),
                hint="fill the directory with `pip download` or `pip wheel`",
            )
        self._hashes = WheelHashes(cache)
        self._found: dict[str, FoundDistribution] = {}
        self._requirements = 0
        self._wheels: dict[str, dict[Version, list[HouseWheel]]] = {}
        broken: list[BrokenDistributionError] = []
        for wheel in _parsed(places, broken):
            self._wheels.setdefault(wheel.name, {}).setdefault(wheel.version, []).append(wheel)
        self.broken: tuple[BrokenDistributionError, ...] = tuple(broken)

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

    def distribution(self, wheel: HouseWheel) -> FoundDistribution:
        """Return what a wheel says of itself, or why it can't be used; it is read once.

        Raises:
            InputError: all wheels that were read state more requirements than is kept.
        """
        if wheel.path not in self._found:
            found = self._found[wheel.path] = self._read(wheel)
            if not isinstance(found, BrokenDistribution):
                self._count_requirements(found)
        return self._found[wheel.path]

    def file(self, wheel: HouseWheel) -> WheelFile:
        """Return the size and the SHA-256 of a wheel as a whole, computed once.

        Raises:
            BrokenDistributionError: the wheel can't be used.
        """
        self._refuse_broken(wheel)
        return self._hashes.file(wheel.path)

    def contents(self, wheel: HouseWheel) -> WheelContents:
        """Return the hashes of the files in a wheel, computed once; threads may ask for several.

        Raises:
            BrokenDistributionError: the wheel can't be used.
        """
        # What the cache holds doesn't depend on the file's name, so this is where a wheel is
        # refused that isn't what its name says.
        self._refuse_broken(wheel)
        contents = self._hashes.contents(wheel.path)
        if sorted_tags(wheel.tags) != contents.tag:
            raise malformed(
                wheel.path,
                f"the file's name says other tags than WHEEL, which states `{contents.tag[:200]}`",
            )
        return contents

    def read_source(self, wheel: HouseWheel, path: str, limit: int) -> bytes | None:
        """Return one of a wheel's files by its path under the site root, or None.

        Raises:
            BrokenDistributionError: the wheel isn't sound, or the file has more than `limit`
                bytes.
        """
        return self._hashes.read(wheel.path, path, limit)

    def cost(self, wheel: HouseWheel) -> int:
        """Return what `contents` costs, in no particular unit: 0 where they are at hand."""
        try:
            is_free = self._hashes.has_contents(wheel.path)
            return 0 if is_free else os.path.getsize(wheel.path)
        except OSError:
            return 0

    def save(self) -> None:
        """Keep for later runs which wheel has which SHA-256, if there is a cache."""
        self._hashes.save()

    def _count_requirements(self, distribution: Distribution) -> None:
        self._requirements += sum(map(len, distribution.requires))
        if self._requirements > MAX_REQUIREMENTS_LENGTH:
            raise InputError(
                f"the wheels state more than {MAX_REQUIREMENTS_LENGTH >> 20} MiB of requirements",
                where=distribution.location,
                hint="make a wheelhouse of what may be locked",
            )

    def _read(self, wheel: HouseWheel) -> FoundDistribution:
        try:
            if wheel.problem is not None:
                raise wheel.problem
            return self._hashes.distribution(wheel)
        except BrokenDistributionError as error:
            return BrokenDistribution(name=wheel.name, location=wheel.path, error=error)

    def _refuse_broken(self, wheel: HouseWheel) -> None:
        found = self.distribution(wheel)
        if isinstance(found, BrokenDistribution):
            raise found.error


def _list_wheels(directories: Iterable[str]) -> dict[str, list[tuple[str, bool]]]:
    """Return where each file name is found, and whether it is yanked there, sorted by name."""
    places: dict[str, list[tuple[str, bool]]] = {}
    for directory in dict.fromkeys(directories):
        try:
            with os.scandir(directory) as entries:
                names = [
                    entry.name
                    for entry in entries
                    if entry.name.endswith(".whl") and not entry.is_dir()
                ]
        except (OSError, ValueError) as error:
            raise _unlistable(directory, error) from None
        yanked = read_yanked(directory)
        for name in names:
            places.setdefault(name, []).append((os.path.join(directory, name), name in yanked))
        if len(places) > MAX_WHEELS:
            raise InputError(
                f"there are more than {MAX_WHEELS:,} wheels",
                where=directory,
                hint="make a wheelhouse of what may be locked",
            )
    return {name: places[name] for name in sorted(places)}


def _unlistable(directory: str, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or error
    return InputError(
        f"the wheelhouse can't be listed: {reason}",
        where=directory,
        hint="name a directory that holds wheels",
    )


def _parsed(
    places: Mapping[str, Sequence[tuple[str, bool]]], broken: list[BrokenDistributionError]
) -> list[HouseWheel]:
    """Return the wheels; why a file is none goes to `broken`."""
    wheels = []
    for copies in places.values():
        path = copies[0][0]
        try:
            wheel = parse_wheel_name(path)
        except BrokenDistributionError as error:
            broken.append(error)
            continue
        if any(is_yanked for _, is_yanked in copies):
            wheel = wheel.replace(is_yanked=True)
        if len(copies) > 1:
            wheel = wheel.replace(problem=_difference(path, [path for path, _ in copies[1:]]))
        wheels.append(wheel)
    broken.sort(key=lambda error: error.where or "")
    return wheels


def _difference(path: str, copies: Iterable[str]) -> BrokenDistributionError | None:
    """Return why files with the same name can't stand for each other, or None where they can."""
    for copy in copies:
        try:
            if os.path.samefile(path, copy) or _have_same_bytes(path, copy):
                continue
        except OSError as error:
            return BrokenDistributionError(
                f"the wheel can't be read: {error.strerror or error}",
                code="wheel-malformed",
                where=str(error.filename or path),
                hint="make it readable, or take it out of the wheelhouse",
            )
        return BrokenDistributionError(
            f"two different wheels have the same file name: `{path}` and `{copy}`",
            code="conflict",
            where=copy,
            hint="keep the one that you trust",
        )
    return None


def _have_same_bytes(path: str, copy: str) -> bool:
    one, size = open_regular_file(path)
    try:
        other, other_size = open_regular_file(copy)
        try:
            if size != other_size:
                return False
            while True:
                chunk = os.read(one, _CHUNK_BYTES)
                if chunk != os.read(other, _CHUNK_BYTES):
                    return False
                if not chunk:
                    return True
        finally:
            os.close(other)
    finally:
        os.close(one)
