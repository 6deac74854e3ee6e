"""Distributions that put different files in one place."""

from __future__ import annotations

from coral_lock.finding import ERROR, WARNING, Finding
from coral_lock.wheels.overlaps import MAX_OVERLAPS, overlaps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from coral_lock.inventory import Inventory
    from coral_lock.wheels.overlaps import Overlap

_MAX_NAMED = 5


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
    pairs: dict[tuple[str, str], list[Overlap]] = {}
    for overlap in overlaps({name: inventory.stated_files(name) for name in names}):
        pairs.setdefault((overlap.first, overlap.second), []).append(overlap)
    findings = []
    unpinned: set[str] = set()
    for pair in sorted(pairs):
        unsettled = [each for each in pairs[pair] if not _is_settled(each)]
        is_error = bool(unsettled) and not set(needed).isdisjoint(pair)
        findings.append(_finding(unsettled or pairs[pair], bool(unsettled), is_error))
        if unsettled and not is_error:
            unpinned.update(pair)
    return tuple(findings), frozenset(unpinned)


def _is_settled(overlap: Overlap) -> bool:
    return overlap.path == overlap.second_path and ".dist-info/" not in overlap.path


def _finding(found: list[Overlap], is_unsettled: bool, is_error: bool) -> Finding:
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
        hint="install only one of the two, or report it upstream: "
        + (
            "the last one installed wins, and a start accepts what either of them lists"
            if not is_unsettled
            else "which file is there depends on the order in which they are installed"
            + ("" if is_error else ", so that neither is locked with a digest")
        ),
    )


def _named(overlap: Overlap) -> str:
    """Return the place; where the second distribution spells it otherwise, both of them."""
    if overlap.path == overlap.second_path:
        return f"`{overlap.path}`"
    return f"`{overlap.path}` and `{overlap.second_path}`"
