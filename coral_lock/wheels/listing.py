"""The wheels in directories, and what their file names state.

A file name has the form of the binary distribution format specification,
`<name>-<version>[-<build>]-<python tags>-<ABI tags>-<platform tags>.whl`
"""

from __future__ import annotations

import filecmp
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.tags import parse_tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from coral_lock.errors import BrokenDistributionError, InputError, quoted
from coral_lock.names import is_normalized_name
from coral_lock.targets.model import MAX_TAGS, tag_count
from coral_lock.wheels.zip_file import malformed, unreadable


@dataclass(frozen=True, kw_only=True, slots=True)
class HouseWheel:
    """A wheel in a wheelhouse, by its file name alone.

    Args:
        path: its file.
        name: the normalized name of the distribution.
        version: its version (PEP 440); two spellings of one version are equal.
        build: the build number, empty where there is none.
        tags: the compressed tag set (PEP 425) at the end of the file name, in lower case.
        problem: why it can't be used, or None; its contents don't matter.
    """

    path: str
    name: str
    version: Version
    build: tuple[()] | tuple[int, str]
    tags: str
    problem: BrokenDistributionError | None = None

    @property
    def file_name(self) -> str:
        """The name of its file, `click-8.5.1-py3-none-any.whl`."""
        return os.path.basename(self.path)


def parse_wheel_name(path: str) -> HouseWheel:
    """Return the wheel at `path`; the file isn't opened.

    Raises:
        BrokenDistributionError: the file name isn't a wheel's.
    """
    file_name = os.path.basename(path)
    try:
        tags = "-".join(file_name.removesuffix(".whl").rsplit("-", 3)[1:]).lower()
        if tag_count(tags) > MAX_TAGS:
            raise InvalidWheelFilename
        name, version, build, _ = parse_wheel_filename(file_name)
        if not file_name.isascii() or not is_normalized_name(name):
            raise InvalidWheelFilename
    # Old versions of `packaging` raise this for a broken tag.
    except ValueError:
        raise malformed(
            path,
            f"the file name {quoted(file_name)} isn't a wheel's",
            "restore the name that it was built with, "
            "`<name>-<version>-<python>-<abi>-<platform>.whl`",
        ) from None
    return HouseWheel(path=path, name=name, version=version, build=build, tags=tags)


def sorted_tags(compressed: str) -> str:
    """Return a compressed tag set with each of its parts sorted, as a lock writes it."""
    return "-".join(".".join(sorted(set(part.split(".")))) for part in compressed.split("-"))


def best_rank(compressed: str, ranks: Mapping[str, int]) -> int | None:
    """Return the best rank of any tag of a compressed tag set, or None where it has none.

    Args:
        compressed: the tag set.
        ranks: the rank of each tag that is supported; the lower the better.
    """
    tags = map(str, parse_tag(compressed))
    return min((ranks[tag] for tag in tags if tag in ranks), default=None)


MAX_WHEELS = 200_000


FILL = "fill the directory with `pip download` or `pip wheel`"
"""What to do where there are no wheels."""

FETCH = "download the locked wheels with `coral-runtime fetch --wheels DIR`"
"""What to do where there are none of a lock's."""


def list_wheels(
    directories: Sequence[str], if_empty: str | None = FILL
) -> tuple[list[HouseWheel], tuple[BrokenDistributionError, ...]]:
    """Return the wheels in directories, sorted by file name, and the files that aren't any.

    Args:
        directories: where to look.
        if_empty: the hint where there are no wheels; None where that is no error.

    Raises:
        InputError: a directory can't be listed, or there are no wheels or more than 200,000.
    """
    places: dict[str, list[str]] = {}
    for directory in dict.fromkeys(directories):
        for name in _names_in(directory):
            places.setdefault(name, []).append(os.path.join(directory, name))
        if len(places) > MAX_WHEELS:
            raise InputError(
                f"there are more than {MAX_WHEELS:,} wheels",
                where=directory,
                hint="make a wheelhouse of what may be locked",
            )
    if not places and if_empty is not None:
        raise InputError(
            "there are no wheels",
            where=", ".join(directories),
            hint=if_empty,
        )
    wheels: list[HouseWheel] = []
    broken: list[BrokenDistributionError] = []
    for _, (path, *copies) in sorted(places.items()):
        try:
            wheels.append(replace(parse_wheel_name(path), problem=_difference(path, copies)))
        except BrokenDistributionError as error:
            broken.append(error)
    return wheels, tuple(sorted(broken, key=lambda error: error.where or ""))


def _names_in(directory: str) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return [
                entry.name
                for entry in entries
                if entry.name.endswith(".whl") and not entry.is_dir()
            ]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"the wheelhouse can't be listed: {reason}",
            where=directory,
            hint="name a directory that holds wheels",
        ) from None


def _difference(path: str, copies: Iterable[str]) -> BrokenDistributionError | None:
    """Return why files with the same name can't replace each other, or None where they can."""
    for copy in copies:
        try:
            if os.path.samefile(path, copy) or filecmp.cmp(path, copy, shallow=False):
                continue
        except OSError as error:
            return unreadable(str(error.filename or path), error)
        return BrokenDistributionError(
            f"two different wheels have the same file name: `{path}` and `{copy}`",
            code="conflict",
            where=copy,
            hint="keep the one that you trust",
        )
    return None
