"""Which wheels of a wheelhouse a lock's digests stand for."""

from __future__ import annotations

import os

from coral_lock.canonical_json import join_path
from coral_lock.errors import BrokenDistributionError
from coral_lock.finding import ERROR, WARNING, Finding
from coral_lock.installed.outside import data_digest
from coral_lock.record import Record
from coral_lock.wheels.hashing import in_threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coral_lock.lockfile.entries import LockedDistribution
    from coral_lock.reporter import Reporter
    from coral_lock.targets.model import Target
    from coral_lock.wheels.wheel_name import HouseWheel
    from coral_lock.wheels.wheelhouse import Wheelhouse


class LockedWheel(Record):
    """The wheel that a digest of the lock stands for.

    Args:
        path: its file.
        file_name: the file's name, which installers read tags from.
        size: its size in bytes.
        sha256: the SHA-256 of the whole file, in hexadecimal.
    """

    path: str
    file_name: str
    size: int
    sha256: str


class Pin(Record):
    """A distribution to install.

    Args:
        name: the normalized name.
        version: the version.
        requires: the names that it requires, sorted.
        wheels: its wheels, sorted by file name; at least one.
        marker: the marker (PEP 508) under which it is to be installed, or None.
    """

    name: str
    version: str
    requires: tuple[str, ...]
    wheels: tuple[LockedWheel, ...]
    marker: str | None = None


class Installation(Record):
    """Everything that is to be installed.

    Args:
        pins: the distributions, sorted by name.
        python: the language version, `3.11`; None where targets differ in it.
        environments: the marker of each target, sorted; none without targets.
        told: hosts that the lock was only told of, so that they aren't among the pins.
    """

    pins: tuple[Pin, ...]
    python: str | None
    environments: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


def marker_of(target: Target) -> str:
    """Return the marker (PEP 508) that tells a target's machines from those of others.

    Which C library there is, and in which version, no marker can say.
    """
    from coral_lock.targets.environment import environment_of

    markers = environment_of(target).markers
    is_exact = target.python != target.language_version
    names = [
        "python_full_version" if is_exact else "python_version",
        "sys_platform",
        "platform_machine",
    ]
    return " and ".join(f"{name} == '{markers[name]}'" for name in names if markers[name])


_WHO_CHANGED_IT = "take the wheel from where the locked one came from, and find out who changed it"


class FoundWheels(Record):
    """What a wheelhouse has of a lock's distributions.

    Args:
        wheels: by name and wheel tag, the wheels whose files have the locked digest; of a
            distribution without digests those of its version, whatever their bytes are.
        findings: what is missing, differs or can't be used.
    """

    wheels: Mapping[tuple[str, str], LockedWheel]
    findings: tuple[Finding, ...]


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
    names = {each.name: wheelhouse.wheels_of(each.name, each.version) for each in distributions}
    hashed = _hash_all(
        [wheel for several in names.values() for wheel in several], wheelhouse, reporter
    )
    found: dict[tuple[str, str], LockedWheel] = {}
    findings: list[Finding] = []
    for distribution in distributions:
        outcomes = [hashed[wheel.path] for wheel in names[distribution.name]]
        for tag in sorted(distribution.digests):
            outcome = _of_tag(distribution, tag, outcomes)
            if isinstance(outcome, Finding):
                findings.append(outcome)
            else:
                found[distribution.name, tag] = outcome
        if not distribution.digests:
            usable = {each.tag: each.wheel for each in outcomes if each.wheel is not None}
            found.update({(distribution.name, tag): usable[tag] for tag in sorted(usable)})
            findings.append(_unpinned(distribution, bool(usable)))
    return FoundWheels(wheels=found, findings=tuple(findings))


class _Hashed(Record):
    """A wheel with its tag and its digest, or why it can't be used."""

    path: str
    tag: str = ""
    digest: str = ""
    data_digest: str | None = None
    wheel: LockedWheel | None = None
    error: BrokenDistributionError | None = None


def _hash_all(
    wheels: Sequence[HouseWheel], wheelhouse: Wheelhouse, reporter: Reporter | None
) -> dict[str, _Hashed]:
    """Return what comes of each wheel, by its path."""
    by_path = {wheel.path: wheel for wheel in wheels}
    outcomes = in_threads(
        lambda path: _hashed(by_path[path], wheelhouse),
        {path: _size(path) for path in by_path},
        sorted(by_path),
    )
    hashed: dict[str, _Hashed] = {}
    for path, outcome in outcomes:
        hashed[path] = outcome
        if reporter is not None:
            reporter.hashing(by_path[path].name, len(hashed), len(by_path))
    wheelhouse.save()
    return hashed


def _hashed(wheel: HouseWheel, wheelhouse: Wheelhouse) -> _Hashed:
    try:
        contents = wheelhouse.contents(wheel)
        file = wheelhouse.file(wheel)
    except BrokenDistributionError as error:
        return _Hashed(path=wheel.path, error=error)
    return _Hashed(
        path=wheel.path,
        tag=contents.tag,
        digest=contents.digest,
        data_digest=data_digest(contents.outside) if contents.outside else None,
        wheel=LockedWheel(
            path=file.path, file_name=file.file_name, size=file.size, sha256=file.sha256
        ),
    )


def _of_tag(
    distribution: LockedDistribution, tag: str, outcomes: Sequence[_Hashed]
) -> LockedWheel | Finding:
    """Return the wheel of a tag that has the locked digest, or what there is instead."""
    of_tag = [outcome for outcome in outcomes if outcome.tag == tag]
    alike = [each for each in of_tag if each.digest == distribution.digests[tag]]
    is_open = distribution.data_digests == {}
    data = (distribution.data_digests or {}).get(tag)
    matching = [
        outcome.wheel
        for outcome in alike
        if outcome.wheel is not None and (is_open or outcome.data_digest == data)
    ]
    if len({wheel.sha256 for wheel in matching}) > 1:
        return _ambiguous(distribution, matching)
    if matching:
        return matching[0]
    place = join_path(join_path("distributions", distribution.name) + ".digests", tag)
    subject = f"`{distribution.name}` {distribution.version}"
    if alike:
        return Finding(
            code="digest-mismatch",
            severity=ERROR,
            subject=distribution.name,
            summary=f"the wheel of {subject} has other scripts, headers or data than the one that "
            "was locked",
            expected=data or "none",
            found=alike[0].data_digest or "none",
            where=alike[0].path,
            hint=_WHO_CHANGED_IT,
        )
    if of_tag:
        return Finding(
            code="digest-mismatch",
            severity=ERROR,
            subject=distribution.name,
            summary=f"the wheel of {subject} isn't the one that was locked",
            expected=distribution.digests[tag],
            found=of_tag[0].digest,
            where=of_tag[0].path,
            hint=_WHO_CHANGED_IT,
        )
    broken = [outcome.error for outcome in outcomes if outcome.error is not None]
    if broken:
        return Finding(
            code="digest-mismatch",
            severity=ERROR,
            subject=distribution.name,
            summary=f"the wheel of {subject} isn't the one that was locked: {broken[0].message}",
            expected=distribution.digests[tag],
            where=broken[0].where,
            hint=_WHO_CHANGED_IT,
        )
    return Finding(
        code="distribution-missing",
        severity=ERROR,
        subject=distribution.name,
        summary=f"the wheelhouse has no wheel of {subject} with the locked wheel tag",
        expected=tag,
        found=", ".join(sorted(outcome.tag for outcome in outcomes)) or "no wheel of that version",
        where=place,
        hint="add the wheel that was locked to the wheelhouse",
    )


def _ambiguous(distribution: LockedDistribution, wheels: Sequence[LockedWheel]) -> Finding:
    return Finding(
        code="conflict",
        severity=ERROR,
        subject=distribution.name,
        summary=f"several wheels of `{distribution.name}` {distribution.version} have the locked "
        "digests and aren't the same file",
        expected="one wheel",
        found=", ".join(wheel.file_name for wheel in wheels),
        where=wheels[0].path,
        hint="leave only the one that you trust in the wheelhouse",
    )


def _unpinned(distribution: LockedDistribution, is_there: bool) -> Finding:
    subject = f"`{distribution.name}` {distribution.version}"
    if not is_there:
        return Finding(
            code="distribution-missing",
            severity=ERROR,
            subject=distribution.name,
            summary=f"the wheelhouse has no wheel of {subject}",
            where=join_path("distributions", distribution.name),
            hint="add a wheel of that version to the wheelhouse",
        )
    return Finding(
        code="unpinned",
        severity=WARNING,
        subject=distribution.name,
        summary=f"the lock holds no digest of {subject}, so that nobody reviewed the bytes of "
        "the wheel that is there",
        where=join_path("distributions", distribution.name),
        hint="make sure that you trust the wheel, or lock it with its digest",
    )


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0
