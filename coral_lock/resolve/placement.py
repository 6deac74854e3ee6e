"""Where distributions put files: scripts, headers and data, and names that aren't theirs."""

from __future__ import annotations

from coral_lock.errors import BrokenDistributionError
from coral_lock.finding import WARNING, Finding
from coral_lock.installed.outside import SCRIPTS, data_digest
from coral_lock.inventory import BrokenDistribution
from coral_lock.reserved import placed, reserved_findings
from coral_lock.resolve.hosts import broken_finding
from coral_lock.resolve.overlaps import overlapping_outside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from coral_lock.inventory import Distribution, Inventory
    from coral_lock.lockfile.model import LockedDistribution


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
