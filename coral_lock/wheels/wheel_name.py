"""What a wheel's file name states, in the form of the binary distribution format specification.

`<name>-<version>[-<build>]-<python tags>-<ABI tags>-<platform tags>.whl`
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from coral_lock.errors import BrokenDistributionError
from coral_lock.names import is_normalized_name
from coral_lock.printable import quoted
from coral_lock.targets.model import MAX_TAGS, tag_count


@dataclass(frozen=True, kw_only=True, slots=True)
class HouseWheel:
    """A wheel in a wheelhouse, by its file name alone.

    Args:
        path: its file.
        name: the normalized name of the distribution.
        version: its version (PEP 440); two spellings of one version are equal.
        build: the build number, empty where there is none.
        tags: the compressed tag set (PEP 425) at the end of the file name, in lower case.
        is_yanked: whether an index page marks it as yanked (PEP 592).
        problem: why it can't be used, whatever it holds, or None.
    """

    path: str
    name: str
    version: Version
    build: tuple[()] | tuple[int, str]
    tags: str
    is_yanked: bool = False
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
        raise BrokenDistributionError(
            f"the file name {quoted(file_name)} isn't a wheel's",
            code="wheel-malformed",
            where=path,
            hint="restore the name that it was built with, "
            "`<name>-<version>-<python>-<abi>-<platform>.whl`",
        ) from None
    return HouseWheel(path=path, name=name, version=version, build=build, tags=tags)


def single_tags(compressed: str) -> Iterator[str]:
    """Yield the tags of a compressed tag set: `py2.py3-none-any` has two."""
    for parts in itertools.product(*(part.split(".") for part in compressed.split("-"))):
        yield "-".join(parts)


def sorted_tags(compressed: str) -> str:
    """Return a compressed tag set with each of its parts sorted, as a lock writes it."""
    return "-".join(".".join(sorted(set(part.split(".")))) for part in compressed.split("-"))


def best_rank(compressed: str, ranks: Mapping[str, int]) -> int | None:
    """Return the best rank of any tag of a compressed tag set, or None where it has none.

    Args:
        compressed: the tag set.
        ranks: the rank of each tag that is supported; the lower the better.
    """
    rank = ranks.get(compressed)
    if rank is not None or "." not in compressed:
        return rank
    return min((ranks[tag] for tag in single_tags(compressed) if tag in ranks), default=None)
