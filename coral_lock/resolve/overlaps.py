"""Distributions that put different files in one place, so that nobody can pin their bytes."""

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

    Which of the files is there depends on the order of installation. So it is an error
    where a plugin needs one of the two. Where only the host does it is a warning, like
    everything that is wrong among the host's own requirements, and neither is pinned.

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
        is_error = not set(needed).isdisjoint(pair)
        findings.append(_finding(pairs[pair], is_error))
        if not is_error:
            unpinned.update(pair)
    return tuple(findings), frozenset(unpinned)


def _finding(found: list[Overlap], is_error: bool) -> Finding:
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
        hint="do without one of the two, or have them mended: which file is there depends on "
        "the order in which they are installed"
        + ("" if is_error else ", so that neither is locked with a digest"),
    )


def _named(overlap: Overlap) -> str:
    """Return the place; where the second distribution spells it otherwise, both of them."""
    if overlap.path == overlap.second_path:
        return f"`{overlap.path}`"
    return f"`{overlap.path}` and `{overlap.second_path}`"
