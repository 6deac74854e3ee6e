"""The wheels that a lock names, found in a wheelhouse and compared with the lock's digests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from coral_lock.canonical_json import join_path
from coral_lock.errors import BrokenDistributionError
from coral_lock.finding import Finding
from coral_lock.installed.outside import data_digest
from coral_lock.inventory import Reporter
from coral_lock.lockfile.entries import LockedDistribution
from coral_lock.wheels.contents import WheelContents
from coral_lock.wheels.listing import FETCH
from coral_lock.wheels.wheelhouse import WheelFile, Wheelhouse

_Usable: TypeAlias = tuple[WheelFile, WheelContents]
LockedWheels: TypeAlias = Mapping[str, Sequence[tuple[str, WheelFile]]]
"""The wheels of each distribution, by name, with their wheel tags, sorted by file name."""


def find_locked_wheels(
    distributions: Sequence[LockedDistribution],
    wheelhouse: Wheelhouse,
    reporter: Reporter | None = None,
) -> tuple[LockedWheels, tuple[Finding, ...]]:
    """Look up the wheel of every digest, and compare it with the digest.

    Args:
        distributions: what is looked for, with just the digests that are needed.
        wheelhouse: where to look.
        reporter: where progress goes.

    Returns:
        The wheels whose files have the locked digests, for a distribution without digests all
        of its version; and what is missing, differs or can't be used.
    """
    wheels = [
        wheel for each in distributions for wheel in wheelhouse.wheels_of(each.name, each.version)
    ]
    usable: dict[str, list[_Usable]] = {each.name: [] for each in distributions}
    broken: dict[str, list[BrokenDistributionError]] = {each.name: [] for each in distributions}
    for contents, wheel in zip(wheelhouse.contents_of(wheels, reporter or Reporter()), wheels):
        try:
            if isinstance(contents, BrokenDistributionError):
                raise contents
            usable[wheel.name].append((wheelhouse.file(wheel), contents))
        except BrokenDistributionError as error:
            broken[wheel.name].append(error)
    found: dict[str, list[tuple[str, WheelFile]]] = {}
    findings: list[Finding] = []
    for each in distributions:
        own = found[each.name] = []
        if not each.digests:
            own.extend((contents.tag, file) for file, contents in usable[each.name])
            findings.append(_unpinned(each) if own else _missing(each))
        for tag in sorted(each.digests):
            file = _wheel_of_tag(each, tag, usable[each.name])
            if file is None:
                findings.append(_mismatch(each, tag, usable[each.name], broken[each.name]))
            else:
                own.append((tag, file))
        own.sort(key=lambda wheel: wheel[1].file_name)
    return found, tuple(findings)


def _wheel_of_tag(
    distribution: LockedDistribution, tag: str, usable: Sequence[_Usable]
) -> WheelFile | None:
    """Return the wheel of a tag that has the locked digests; None where there is none."""
    is_open = distribution.data_digests == {}
    data = (distribution.data_digests or {}).get(tag)
    for file, contents in usable:
        is_alike = contents.tag == tag and contents.digest == distribution.digests[tag]
        if is_alike and (is_open or _data_digest(contents) == data):
            return file
    return None


def _data_digest(contents: WheelContents) -> str | None:
    return data_digest(contents.outside) if contents.outside else None


def _mismatch(
    distribution: LockedDistribution,
    tag: str,
    usable: Sequence[_Usable],
    broken: Sequence[BrokenDistributionError],
) -> Finding:
    """Return why there is no wheel of a tag that has the locked digests."""
    subject = f"`{distribution.name}` {distribution.version}"
    of_tag = [wheel for wheel in usable if wheel[1].tag == tag]
    if not of_tag and not broken:
        found_tags = ", ".join(sorted(contents.tag for _, contents in usable))
        return _missing(distribution, tag, found_tags or "no wheel of that version")
    summary = f"the wheel of {subject} isn't the one that was locked"
    found: str | None = None
    expected = distribution.digests[tag]
    if of_tag:
        alike = [wheel for wheel in of_tag if wheel[1].digest == expected]
        file, contents = (alike or of_tag)[0]
        where: str | None = file.path
        found = contents.digest
        if alike:
            summary = (
                f"the wheel of {subject} has other scripts, headers or data than the locked one"
            )
            expected = (distribution.data_digests or {}).get(tag, "none")
            found = _data_digest(contents) or "none"
    else:
        summary, where = f"{summary}: {broken[0].message}", broken[0].where
    return Finding(
        code="digest-mismatch",
        subject=distribution.name,
        summary=summary,
        expected=expected,
        found=found,
        where=where,
        hint="get the wheel from the source of the locked one, and find out who changed it",
    )


def _missing(
    distribution: LockedDistribution, tag: str | None = None, found: str | None = None
) -> Finding:
    """Return the finding for a distribution without any wheel, or without one of a tag."""
    where = join_path("distributions", distribution.name)
    return Finding(
        code="distribution-missing",
        subject=distribution.name,
        summary=f"the wheelhouse has no wheel of `{distribution.name}` {distribution.version}"
        + (" with the locked wheel tag" if tag else ""),
        expected=tag,
        found=found,
        where=join_path(f"{where}.digests", tag) if tag else where,
        hint=FETCH if tag else "add a wheel of that version to the wheelhouse",
    )


def _unpinned(distribution: LockedDistribution) -> Finding:
    return Finding(
        code="unpinned",
        subject=distribution.name,
        summary=f"the lock has no digest of `{distribution.name}` {distribution.version}, so its "
        "wheel can't be verified",
        where=join_path("distributions", distribution.name),
        hint="make sure that you trust the wheel, or lock it with its digest",
    )
