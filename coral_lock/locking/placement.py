"""Where distributions put files: outside of packages, under others' names, over each other."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from coral_lock.errors import BrokenDistributionError
from coral_lock.finding import ERROR, WARNING, Finding
from coral_lock.installed.outside import HEADERS, SCRIPTS, data_digest
from coral_lock.inventory import BrokenDistribution, Distribution
from coral_lock.lockfile.entries import LockedDistribution
from coral_lock.locking.decision import broken_finding
from coral_lock.reserved import placed, reserved_findings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.inventory import Inventory

FilesByName: TypeAlias = Mapping[str, Mapping[str, str]]

MAX_OVERLAPS = 100
"""How many overlaps of the same two distributions are reported."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlap:
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
    found: list[Overlap] = []
    counts: dict[tuple[str, str], int] = {}
    for first, path, second, second_path in _all_overlaps(files_by_name):
        count = counts[first, second] = counts.get((first, second), 0) + 1
        if count <= MAX_OVERLAPS:
            found.append(Overlap(path=path, first=first, second=second, second_path=second_path))
    found.sort(key=lambda each: (each.path, each.first, each.second, each.second_path))
    return tuple(found)


def _all_overlaps(files_by_name: FilesByName) -> Iterator[tuple[str, str, str, str]]:
    """Yield the first distribution, its path, the second one and its path, sorted by place."""
    owners, blocked = _contested(files_by_name)
    # Of each directory that is a file elsewhere, one file of each distribution counts.
    beneath: dict[str, dict[str, str]] = {place: {} for place in blocked}
    for place in sorted(owners) if blocked else ():
        for parent in blocked.intersection(_parents(place)):
            for name, path in owners[place]:
                beneath[parent].setdefault(name, path)
    for place in sorted(owners):
        claims = [(name, path, files_by_name[name][path]) for name, path in owners[place]]
        if len({claim[1:] for claim in claims}) > 1:
            for (first, *one), (second, *other) in itertools.combinations(claims, 2):
                if first != second and one != other:
                    yield first, one[0], second, other[0]
        for pair in itertools.product(owners[place], beneath.get(place, {}).items()):
            (first, path), (second, second_path) = sorted(pair)
            if first != second:
                yield first, path, second, second_path


def _contested(
    files_by_name: FilesByName,
) -> tuple[dict[str, list[tuple[str, str]]], set[str]]:
    """Return the places that several files claim: nearly all are left out.

    Returns:
        By case-folded path, the distributions and their paths: where there are several, or one
        that others need as a directory, and all in such a directory. Then these directories.
    """
    folded = {
        name: [path.casefold() for path in files_by_name[name]] for name in sorted(files_by_name)
    }
    seen: set[str] = set()
    contested: set[str] = set()
    for places in folded.values():
        contested.update(seen.intersection(places))
        seen.update(places)
    directories: set[str] = set()
    parents = {place.rpartition("/")[0] for place in seen}
    while parents := parents - directories - {""}:
        directories |= parents
        parents = {parent.rpartition("/")[0] for parent in parents}
    blocked = directories & seen
    contested |= blocked
    if blocked:
        contested.update(place for place in seen if not blocked.isdisjoint(_parents(place)))
    owners: dict[str, list[tuple[str, str]]] = {}
    for name, places in folded.items():
        for place, path in zip(places, files_by_name[name]) if contested else ():
            if place in contested:
                owners.setdefault(place, []).append((name, path))
    return owners, blocked


def _parents(place: str) -> Iterator[str]:
    while place := place.rpartition("/")[0]:
        yield place


_MAX_NAMED = 5
_LAST_WINS = "the last one installed wins, and a start accepts what either of them lists"
_NOBODY_KNOWS = "which file is there depends on the order in which they are installed"
_WITHOUT_DIGEST = ", so that neither is locked with a digest"
_UNPINNED = ", so that the scripts, headers and data of neither are pinned"


def overlapping(
    names: Sequence[str], needed: Collection[str], inventory: Inventory
) -> tuple[tuple[Finding, ...], frozenset[str]]:
    """Return where distributions overwrite each other's files, and which aren't pinned for it.

    Where two have a file in one place, both are pinned: what is there has to be what one of
    the two lists. Which one depends on the order of installation, so it is a warning. Places
    that only some file systems tell apart, a file where the other needs a directory, and the
    other's own metadata can't be told like that. They are an error where a plugin needs one
    of the two, and a warning without which neither is pinned where only the host does.

    Args:
        names: the distributions to lock.
        needed: those that plugins need.
        inventory: what their RECORDs state.
    """
    findings = []
    unpinned: set[str] = set()
    pairs = _pairs({name: inventory.stated_files(name) for name in names})
    for pair in sorted(pairs):
        unsettled = [each for each in pairs[pair] if not _is_settled(each)]
        is_error = bool(unsettled) and not set(needed).isdisjoint(pair)
        reason = _NOBODY_KNOWS + ("" if is_error else _WITHOUT_DIGEST) if unsettled else _LAST_WINS
        findings.append(_finding(unsettled or pairs[pair], reason, is_error))
        if unsettled and not is_error:
            unpinned.update(pair)
    return tuple(findings), frozenset(unpinned)


def _is_settled(overlap: Overlap) -> bool:
    return overlap.path == overlap.second_path and ".dist-info/" not in overlap.path


def overlapping_outside(
    stated: Mapping[str, Mapping[str, str]], needed: Collection[str]
) -> tuple[tuple[Finding, ...], frozenset[str]]:
    """Return the same for scripts and data; headers are in a directory of the distribution's own.

    It is an error only where a script is overwritten and a plugin needs one of the two: many
    a project puts its licence, say, where others do.

    Args:
        stated: by distribution what its RECORD states of these files, by path.
        needed: the distributions that plugins need.
    """
    findings = []
    unpinned: set[str] = set()
    pairs = _pairs(
        {
            name: {path: each for path, each in files.items() if not path.startswith(HEADERS)}
            for name, files in stated.items()
        }
    )
    for pair, found in sorted(pairs.items()):
        has_scripts = any(overlap.path.startswith(SCRIPTS) for overlap in found)
        is_error = has_scripts and not set(needed).isdisjoint(pair)
        findings.append(_finding(found, _NOBODY_KNOWS + ("" if is_error else _UNPINNED), is_error))
        if not is_error:
            unpinned.update(pair)
    return tuple(findings), frozenset(unpinned)


def _pairs(files: Mapping[str, Mapping[str, str]]) -> dict[tuple[str, str], list[Overlap]]:
    pairs: dict[tuple[str, str], list[Overlap]] = {}
    for overlap in overlaps(files):
        pairs.setdefault((overlap.first, overlap.second), []).append(overlap)
    return pairs


def _finding(found: list[Overlap], reason: str, is_error: bool) -> Finding:
    first, second = found[0].first, found[0].second
    paths = ", ".join(map(_named, found[:_MAX_NAMED]))
    more = len(found) - _MAX_NAMED
    at_least = "at least " if len(found) == MAX_OVERLAPS else ""
    return Finding(
        code="file-overlap",
        severity=ERROR if is_error else WARNING,
        subject=first,
        summary=f"`{first}` and `{second}` put different files in one place: {paths}"
        + (f" and {at_least}{more} more" if more > 0 else ""),
        expected="each file in one distribution",
        found=f"{at_least}{len(found)} in both",
        where=found[0].path,
        hint=f"install only one of the two, or report it upstream: {reason}",
    )


def _named(overlap: Overlap) -> str:
    """Return the place; where the second distribution spells it otherwise, both of them."""
    if overlap.path == overlap.second_path:
        return f"`{overlap.path}`"
    return f"`{overlap.path}` and `{overlap.second_path}`"


def pinned_outside(
    distributions: Sequence[Distribution],
    digests: Mapping[str, Mapping[str, str] | BrokenDistributionError],
    needed: Collection[str],
    inventory: Inventory,
    findings: list[Finding],
) -> dict[str, dict[str, str] | None]:
    """Return, by distribution, the digests of its scripts, headers and data by wheel tag.

    It is None for one that has no such files, and empty where nobody can tell what they are.

    Args:
        distributions: what is locked.
        digests: by distribution, the digests of its other files.
        needed: the distributions that plugins need.
        inventory: where the files are.
        findings: where what is wrong with them is noted.
    """
    stated = {each.name: inventory.outside(each.name).stated for each in distributions}
    overlaps, unpinned = overlapping_outside(stated, needed)
    findings.extend(overlaps)
    pinned: dict[str, dict[str, str] | None] = {}
    for distribution in distributions:
        name = distribution.name
        tags = digests[name]
        pinned[name] = {} if stated[name] else None
        if not stated[name] or name in unpinned or isinstance(tags, BrokenDistributionError):
            continue
        try:
            hashes = inventory.outside_hashes(name)
        except BrokenDistributionError as error:
            broken = BrokenDistribution(name=name, location=distribution.location, error=error)
            findings.append(broken_finding(broken))
            continue
        if hashes is None:
            findings.append(_absent_finding(distribution, len(stated[name])))
        else:
            pinned[name] = {tag: data_digest(hashes) for tag in tags}
    return pinned


def misplaced(
    distributions: Sequence[LockedDistribution],
    providers: Collection[str],
    accepted: Mapping[str, Collection[str]],
    inventory: Inventory,
) -> Iterator[Finding]:
    """Yield what distributions take that isn't theirs, unless it is accepted from them.

    Args:
        distributions: what is locked.
        providers: the names of those that provide plugins.
        accepted: by distribution, the codes of the findings that the descriptor accepts.
        inventory: where the files are.
    """
    for distribution in distributions:
        name = distribution.name
        outside = inventory.outside(name)
        files = placed(
            inventory.stated_files(name),
            (*outside.stated, *(SCRIPTS + command for command in outside.commands)),
        )
        yield from reserved_findings(
            name,
            files,
            provides_plugins=name in providers,
            accepted=accepted.get(name, ()),
        )


def _absent_finding(distribution: Distribution, number: int) -> Finding:
    name = distribution.name
    return Finding(
        code="unpinned-file",
        severity=WARNING,
        subject=name,
        summary=f"the scripts, headers and data of `{name}` aren't there, so they aren't pinned",
        expected=f"{number} as its RECORD lists them",
        found="none",
        where=distribution.location,
        hint=f"reinstall `{name}` to have them pinned, or lock from its wheel",
    )
