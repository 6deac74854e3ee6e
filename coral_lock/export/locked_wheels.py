"""Which wheels of a wheelhouse a lock's digests stand for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from coral_lock.canonical_json import join_path
from coral_lock.errors import BrokenDistributionError
from coral_lock.finding import ERROR, WARNING, Finding
from coral_lock.installed.outside import data_digest
from coral_lock.inventory import Reporter
from coral_lock.lockfile.entries import LockedDistribution
from coral_lock.wheels.contents import WheelContents
from coral_lock.wheels.wheelhouse import WheelFile, Wheelhouse

_WHO_CHANGED_IT = "get the wheel from the source of the locked one, and find out who changed it"


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundWheels:
    """The wheels of a lock's distributions in a wheelhouse.

    Args:
        wheels: by name and wheel tag, the wheels whose files have the locked digest; for a
            distribution without digests those of its version, whatever their bytes are.
        findings: what is missing, differs or can't be used.
    """

    wheels: Mapping[tuple[str, str], WheelFile]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Hashed:
    """A wheel that can be used."""

    file: WheelFile
    contents: WheelContents

    @property
    def data_digest(self) -> str | None:
        return data_digest(self.contents.outside) if self.contents.outside else None


def find_locked_wheels(
    distributions: Sequence[LockedDistribution],
    wheelhouse: Wheelhouse,
    reporter: Reporter | None = None,
) -> FoundWheels:
    """Look up the wheel of every digest, and compare it with the digest.

    Args:
        distributions: what is looked for, with just the digests that are needed.
        wheelhouse: where to look.
        reporter: is told of progress.
    """
    of_name = {each.name: wheelhouse.wheels_of(each.name, each.version) for each in distributions}
    wheels = [wheel for several in of_name.values() for wheel in several]
    hashed: dict[str, _Hashed | BrokenDistributionError] = {}
    for contents, wheel in zip(wheelhouse.contents_of(wheels, reporter or Reporter()), wheels):
        try:
            hashed[wheel.path] = (
                contents
                if isinstance(contents, BrokenDistributionError)
                else _Hashed(file=wheelhouse.file(wheel), contents=contents)
            )
        except BrokenDistributionError as error:
            hashed[wheel.path] = error
    found: dict[tuple[str, str], WheelFile] = {}
    findings: list[Finding] = []
    for each in distributions:
        outcomes = [hashed[wheel.path] for wheel in of_name[each.name]]
        usable = [outcome for outcome in outcomes if isinstance(outcome, _Hashed)]
        broken = [outcome for outcome in outcomes if not isinstance(outcome, _Hashed)]
        for tag in sorted(each.digests):
            outcome = _wheel_of_tag(each, tag, usable, broken)
            if isinstance(outcome, Finding):
                findings.append(outcome)
            else:
                found[each.name, tag] = outcome
        if not each.digests:
            found.update({(each.name, wheel.contents.tag): wheel.file for wheel in usable})
            findings.append(_unpinned(each, bool(usable)))
    return FoundWheels(wheels=found, findings=tuple(findings))


def _wheel_of_tag(
    distribution: LockedDistribution,
    tag: str,
    usable: Sequence[_Hashed],
    broken: Sequence[BrokenDistributionError],
) -> WheelFile | Finding:
    """Return the wheel of a tag that has the locked digest, or what is wrong instead."""
    of_tag = [wheel for wheel in usable if wheel.contents.tag == tag]
    alike = [wheel for wheel in of_tag if wheel.contents.digest == distribution.digests[tag]]
    is_open = distribution.data_digests == {}
    data = (distribution.data_digests or {}).get(tag)
    matching = [wheel.file for wheel in alike if is_open or wheel.data_digest == data]
    if len({file.sha256 for file in matching}) > 1:
        return _ambiguous(distribution, matching)
    if matching:
        return matching[0]
    subject = f"`{distribution.name}` {distribution.version}"
    if not of_tag and not broken:
        place = join_path(join_path("distributions", distribution.name) + ".digests", tag)
        return Finding(
            code="distribution-missing",
            severity=ERROR,
            subject=distribution.name,
            summary=f"the wheelhouse has no wheel of {subject} with the locked wheel tag",
            expected=tag,
            found=_tags(usable) or "no wheel of that version",
            where=place,
            hint="add the wheel that was locked to the wheelhouse",
        )
    summary = f"the wheel of {subject} isn't the one that was locked"
    expected: str | None = distribution.digests[tag]
    if alike:
        summary = f"the wheel of {subject} has other scripts, headers or data than the locked one"
        expected, found = data or "none", alike[0].data_digest or "none"
        where: str | None = alike[0].file.path
    elif of_tag:
        found, where = of_tag[0].contents.digest, of_tag[0].file.path
    else:
        summary, found, where = f"{summary}: {broken[0].message}", None, broken[0].where
    return Finding(
        code="digest-mismatch",
        severity=ERROR,
        subject=distribution.name,
        summary=summary,
        expected=expected,
        found=found,
        where=where,
        hint=_WHO_CHANGED_IT,
    )


def _tags(wheels: Iterable[_Hashed]) -> str:
    return ", ".join(sorted(wheel.contents.tag for wheel in wheels))


def _ambiguous(distribution: LockedDistribution, files: Sequence[WheelFile]) -> Finding:
    return Finding(
        code="conflict",
        severity=ERROR,
        subject=distribution.name,
        summary=f"several wheels of `{distribution.name}` {distribution.version} have the locked "
        "digests and aren't the same file",
        expected="one wheel",
        found=", ".join(file.file_name for file in files),
        where=files[0].path,
        hint="keep only the one that you trust in the wheelhouse",
    )


def _unpinned(distribution: LockedDistribution, is_available: bool) -> Finding:
    subject = f"`{distribution.name}` {distribution.version}"
    where = join_path("distributions", distribution.name)
    if not is_available:
        return Finding(
            code="distribution-missing",
            severity=ERROR,
            subject=distribution.name,
            summary=f"the wheelhouse has no wheel of {subject}",
            where=where,
            hint="add a wheel of that version to the wheelhouse",
        )
    return Finding(
        code="unpinned",
        severity=WARNING,
        subject=distribution.name,
        summary=f"the lock has no digest of {subject}, so nobody reviewed the bytes of its wheel",
        where=where,
        hint="make sure that you trust the wheel, or lock it with its digest",
    )
