"""Where distributions put files: outside of packages, under others' names, over each other."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from coral_lock.descriptor.model import Descriptor
from coral_lock.errors import BrokenDistributionError, abridged
from coral_lock.finding import ERROR, WARNING, Finding
from coral_lock.installed.outside import HEADERS, SCRIPTS, data_digest
from coral_lock.inventory import BrokenDistribution, Distribution, Inventory, Reporter
from coral_lock.lockfile.entries import LockedDistribution
from coral_lock.locking.closure import Closure
from coral_lock.locking.decision import broken_finding
from coral_lock.reserved import Placed, reserved_findings

FilesByName: TypeAlias = Mapping[str, Mapping[str, str]]


class Overlap(NamedTuple):
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
    """
    owners: dict[str, list[tuple[str, str]]] = {}
    for name in sorted(files_by_name):
        for path in files_by_name[name]:
            owners.setdefault(path.casefold(), []).append((name, path))
    directories: set[str] = set()
    parents = {place.rpartition("/")[0] for place in owners}
    while parents := parents - directories - {""}:
        directories |= parents
        parents = {parent.rpartition("/")[0] for parent in parents}
    # Of each directory that is a file elsewhere, one file of each distribution counts.
    beneath: dict[str, dict[str, str]] = {place: {} for place in directories & owners.keys()}
    for place in sorted(owners) if beneath else ():
        parent = place
        while parent := parent.rpartition("/")[0]:
            for name, path in owners[place] if parent in beneath else ():
                beneath[parent].setdefault(name, path)
    found = []
    for place in (each for each in owners if len(owners[each]) > 1 or each in beneath):
        claims = [(name, path, files_by_name[name][path]) for name, path in owners[place]]
        if len({claim[1:] for claim in claims}) > 1:
            for (first, *one), (second, *other) in itertools.combinations(claims, 2):
                if first != second and one != other:
                    found.append(Overlap(one[0], first, second, other[0]))
        for pair in itertools.product(owners[place], beneath.get(place, {}).items()):
            (first, path), (second, second_path) = sorted(pair)
            if first != second:
                found.append(Overlap(path, first, second, second_path))
    return tuple(sorted(found))


_MAX_NAMED = 5
_LAST_WINS = "the last one installed wins, and a start accepts what either of them lists"
_NOBODY_KNOWS = "which file is there depends on the order in which they are installed"
_WITHOUT_DIGEST = ", so that neither is locked with a digest"
_UNPINNED = ", so that the scripts, headers and data of neither are pinned"


def overlapping(
    files: FilesByName, needed: Collection[str], *, are_outside: bool = False
) -> tuple[tuple[Finding, ...], frozenset[str]]:
    """Return where distributions overwrite each other's files, and which aren't pinned for it.

    Where two have a file in one place, both are pinned: what is there has to be what one of
    the two lists. Which one depends on the order of installation, so it is a warning. Places
    that only some file systems tell apart, a file where the other needs a directory, the
    other's own metadata, and files outside of the site root can't be told like that. They are
    an error where a plugin needs one of the two, and a warning without which neither is pinned
    where only the host does. Of files outside only scripts are an error: many a project puts
    its licence, say, where others do.

    Args:
        files: by distribution what its RECORD states of these files, by path.
        needed: the distributions that plugins need.
        are_outside: whether they are scripts, headers and data. Headers are in a directory of
            the distribution's own.
    """
    if are_outside:
        files = {
            name: {path: each for path, each in own.items() if not path.startswith(HEADERS)}
            for name, own in files.items()
        }
    findings = []
    unpinned: set[str] = set()
    pairs: dict[tuple[str, str], list[Overlap]] = {}
    for overlap in overlaps(files):
        pairs.setdefault((overlap.first, overlap.second), []).append(overlap)
    for pair, found in sorted(pairs.items()):
        unsettled = [each for each in found if are_outside or not _is_settled(each)]
        counts = not are_outside or any(each.path.startswith(SCRIPTS) for each in found)
        is_error = bool(unsettled) and counts and not set(needed).isdisjoint(pair)
        reason = _NOBODY_KNOWS if unsettled else _LAST_WINS
        if unsettled and not is_error:
            reason += _UNPINNED if are_outside else _WITHOUT_DIGEST
            unpinned.update(pair)
        findings.append(_finding(unsettled or found, reason, is_error))
    return tuple(findings), frozenset(unpinned)


def _is_settled(overlap: Overlap) -> bool:
    return overlap.path == overlap.second_path and ".dist-info/" not in overlap.path


def _finding(found: list[Overlap], reason: str, is_error: bool) -> Finding:
    first, second = found[0].first, found[0].second
    # Where the second distribution spells a place otherwise, both spellings are named.
    paths = (dict.fromkeys((each.path, each.second_path)) for each in found)
    named = [" and ".join(f"`{path}`" for path in each) for each in paths]
    return Finding(
        code="file-overlap",
        severity=ERROR if is_error else WARNING,
        subject=first,
        summary=f"`{first}` and `{second}` put different files in one place: "
        + abridged(named, _MAX_NAMED),
        expected="each file in one distribution",
        found=f"{len(found)} in both",
        where=found[0].path,
        hint=f"install only one of the two, or report it upstream: {reason}",
    )


def locked_distributions(
    edges: Mapping[str, tuple[str, ...]],
    needed: Closure,
    descriptor: Descriptor,
    inventory: Inventory,
    *,
    allow_editable: bool,
    findings: list[Finding],
    reporter: Reporter,
) -> tuple[LockedDistribution, ...]:
    """Return the distributions of a closure with the digests of their files, sorted.

    Args:
        edges: what each distribution requires.
        needed: what plugins and the program need.
        descriptor: says what is accepted from which distribution.
        inventory: where the files are.
        allow_editable: whether an editable install may be locked, without a digest.
        findings: is added to.
        reporter: notified of progress.
    """
    wanted = []
    for name in sorted(edges):
        distribution = inventory.find(name)
        if isinstance(distribution, Distribution):
            if not distribution.editable or allow_editable:
                wanted.append(distribution)
            else:
                findings.append(_editable_finding(distribution))
    names = [distribution.name for distribution in wanted]
    outcomes = dict(inventory.digests(names, reporter))
    reporter.finished()
    stated = {name: inventory.stated(name) for name in names}
    files = {name: each.files for name, each in stated.items()}
    outside_files = {name: each.outside for name, each in stated.items()}
    of_plugins = needed.edges.keys()
    overlaps_found, unpinned = overlapping(files, of_plugins)
    findings.extend(overlaps_found)
    overlaps_found, unpinned_outside = overlapping(outside_files, of_plugins, are_outside=True)
    findings.extend(overlaps_found)
    locked = []
    for distribution in wanted:
        name = distribution.name
        outcome = outcomes[name]
        if isinstance(outcome, BrokenDistributionError):
            findings.append(_broken_finding(distribution, outcome))
            continue
        number = len(outside_files[name])
        outside: Mapping[str, str] | None = {} if number else None
        if number and name not in unpinned_outside:
            hashes = _outside_hashes(distribution, number, inventory, findings)
            outside = {tag: data_digest(hashes) for tag in outcome} if hashes else {}
        digests = {} if name in unpinned else outcome
        locked.append(
            LockedDistribution(
                name=name,
                version=distribution.version,
                digests=digests,
                data_digests=outside if digests else None,
                accepted=descriptor.accepted.get(name, ()),
                program=name in needed.program,
                requires=edges[name],
            )
        )
    return tuple(locked)


def _editable_finding(distribution: Distribution) -> Finding:
    return Finding(
        code="editable-install",
        subject=distribution.name,
        summary=f"`{distribution.name}` is an editable install, whose bytes aren't fixed",
        where=distribution.location,
        hint="install it from a wheel, or allow it without a digest with `--allow-editable`",
    )


def _broken_finding(distribution: Distribution, error: BrokenDistributionError) -> Finding:
    return broken_finding(
        BrokenDistribution(name=distribution.name, location=distribution.location, error=error)
    )


def _outside_hashes(
    distribution: Distribution, number: int, inventory: Inventory, findings: list[Finding]
) -> Mapping[str, str] | None:
    """Return the hashes of a distribution's scripts, headers and data, None where it has none.

    Args:
        distribution: whose files they are.
        number: how many its RECORD states.
        inventory: where the files are.
        findings: is added to.
    """
    name = distribution.name
    try:
        hashes = inventory.outside_hashes(name)
    except BrokenDistributionError as error:
        findings.append(_broken_finding(distribution, error))
        return None
    if hashes is None:
        findings.append(
            Finding(
                code="unpinned-file",
                subject=name,
                summary=f"the scripts, headers and data of `{name}` aren't there, so they aren't "
                "pinned",
                expected=f"{number} as its RECORD lists them",
                found="none",
                where=distribution.location,
                hint=f"reinstall `{name}` to have them pinned, or lock from its wheel",
            )
        )
    return hashes


def misplaced(
    distributions: Sequence[LockedDistribution],
    providers: Collection[str],
    inventory: Inventory,
) -> Iterator[Finding]:
    """Yield what distributions take that isn't theirs, unless it is accepted from them.

    Args:
        distributions: what is locked.
        providers: the names of those that provide plugins.
        inventory: where the files are.
    """
    for distribution in distributions:
        stated = inventory.stated(distribution.name)
        commands = (SCRIPTS + command for command in stated.commands)
        yield from reserved_findings(
            distribution.name,
            Placed(stated.files, (*stated.outside, *commands)),
            provides_plugins=distribution.name in providers,
            accepted=distribution.accepted,
        )
