"""Files of several distributions that would come to lie in one place."""

from __future__ import annotations

import itertools

from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

    FilesByName = Mapping[str, Mapping[str, str]]

MAX_OVERLAPS = 100
"""How many overlaps of the same two distributions are told."""


class Overlap(Record):
    """A place under the site root that two distributions claim for different things.

    Args:
        path: the first distribution's file.
        first: the distribution whose name sorts first.
        second: the other one.
        second_path: its file. It differs from `path` where the two differ only in case, or
            where one is a file and the other lies in a directory of that name.
    """

    path: str
    first: str
    second: str
    second_path: str


def overlaps(files_by_name: FilesByName) -> tuple[Overlap, ...]:
    """Return where distributions overlap, sorted by path and distributions.

    Files with the same path and the same bytes are no overlap: namespaces share an empty
    `__init__.py`. Paths that differ only in case are one, whatever the bytes, since there
    are devices with file systems that don't tell them apart. A file where the other
    distribution needs a directory is reported once for each such directory.

    Args:
        files_by_name: by distribution its files: the path under the site root, with `/`, and
            the SHA-256 of its bytes. No distribution has two files in one place.

    Returns:
        Of each two distributions the first hundred by path, regardless of case.
    """
    owners = _contested(files_by_name)
    found: list[Overlap] = []
    counts: dict[tuple[str, str], int] = {}
    for first, path, second, second_path in _all_overlaps(owners, files_by_name):
        count = counts.get((first, second), 0)
        if count < MAX_OVERLAPS:
            counts[first, second] = count + 1
            found.append(Overlap(path=path, first=first, second=second, second_path=second_path))
    found.sort(key=lambda each: (each.path, each.first, each.second, each.second_path))
    return tuple(found)


def _contested(files_by_name: FilesByName) -> dict[str, list[tuple[str, str]]]:
    """Return who has a file in each place that may be claimed twice: nearly all are left out.

    Returns:
        By folded path, the distributions and their paths: where several lie, or one stands
        where a directory is needed, and all that lie in such a directory.
    """
    folded = {
        name: [path.casefold() for path in files_by_name[name]] for name in sorted(files_by_name)
    }
    seen: set[str] = set()
    contested: set[str] = set()
    for places in folded.values():
        contested.update(seen.intersection(places))
        seen.update(places)
    blocked = _directories(seen).intersection(seen)
    contested.update(blocked)
    if blocked:
        contested.update(place for place in seen if _lies_beneath(place, blocked))
    owners: dict[str, list[tuple[str, str]]] = {}
    for name, places in folded.items():
        if not contested.isdisjoint(places):
            for place, path in zip(places, files_by_name[name]):
                if place in contested:
                    owners.setdefault(place, []).append((name, path))
    return owners


def _lies_beneath(place: str, directories: Set[str]) -> bool:
    parent = place.rpartition("/")[0]
    while parent and parent not in directories:
        parent = parent.rpartition("/")[0]
    return bool(parent)


def _directories(places: Iterable[str]) -> set[str]:
    """Return every directory above any of these places."""
    directories = {""}
    parents = {place.rpartition("/")[0] for place in places}
    while parents := parents - directories:
        directories |= parents
        parents = {parent.rpartition("/")[0] for parent in parents}
    return directories - {""}


def _all_overlaps(
    owners: Mapping[str, Sequence[tuple[str, str]]], files_by_name: FilesByName
) -> Iterator[tuple[str, str, str, str]]:
    """Yield the first distribution, its path, the second one and its path."""
    beneath = _files_beneath(owners)
    for place in sorted(owners):
        claims = [(name, path, files_by_name[name][path]) for name, path in owners[place]]
        if len({claim[1:] for claim in claims}) > 1:
            for (first, *one), (second, *other) in itertools.combinations(claims, 2):
                if first != second and one != other:
                    yield first, one[0], second, other[0]
        for pair in itertools.product(owners[place], beneath.get(place, ())):
            (first, path), (second, second_path) = sorted(pair)
            if first != second:
                yield first, path, second, second_path


def _files_beneath(
    owners: Mapping[str, Sequence[tuple[str, str]]],
) -> dict[str, list[tuple[str, str]]]:
    """Return, for files that stand where a directory is needed, one file in it of each owner."""
    blocked = _directories(owners).intersection(owners)
    beneath: dict[str, dict[str, str]] = {place: {} for place in sorted(blocked)}
    if blocked:
        for place in sorted(owners):
            parts = place.split("/")
            for length in range(1, len(parts)):
                parent = "/".join(parts[:length])
                if parent in blocked:
                    for name, path in owners[place]:
                        beneath[parent].setdefault(name, path)
    return {place: list(files.items()) for place, files in beneath.items()}
