"""Distributions that put different files in one place."""

from __future__ import annotations

from coral_lock.finding import ERROR, WARNING, Finding
from coral_lock.installed.outside import HEADERS, SCRIPTS
from coral_lock.wheels.overlaps import MAX_OVERLAPS, overlaps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from coral_lock.inventory import Inventory
    from coral_lock.wheels.overlaps import Overlap

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
