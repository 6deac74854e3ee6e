"""From a lock and a wheelhouse to everything that is to be installed, and to its wheels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.markers import Marker

from coral_lock.canonical_json import join_path, quote
from coral_lock.document.formats import is_version
from coral_lock.errors import BrokenDistributionError, shortened
from coral_lock.finding import Finding, has_errors, sorted_findings
from coral_lock.installed.outside import data_digest
from coral_lock.inventory import Reporter
from coral_lock.lockfile.entries import LockedDistribution
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.parts import named_target, part_of, with_tags
from coral_lock.targets.environment import environment_of
from coral_lock.targets.model import Target, fits
from coral_lock.wheels.contents import WheelContents
from coral_lock.wheels.listing import best_rank
from coral_lock.wheels.wheelhouse import WheelFile, Wheelhouse

_LONGEST_SHOWN = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
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
    wheels: tuple[WheelFile, ...]
    marker: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Installation:
    """Everything that is to be installed.

    Args:
        pins: the distributions, sorted by name.
        python: the language version, `3.11`; None where targets differ in it.
        environments: the marker of each target, sorted; none without targets.
        unpinned_hosts: hosts of which the lock has only the version.
    """

    pins: tuple[Pin, ...]
    python: str | None
    environments: tuple[str, ...] = ()
    unpinned_hosts: tuple[str, ...] = ()


def installation_of(
    lock: Lock, wheelhouse: Wheelhouse, target: str | None, reporter: Reporter | None = None
) -> tuple[Installation | None, tuple[Finding, ...]]:
    """Return what a lock pins, with its wheels; None where a wheel is missing or differs.

    Args:
        lock: the lock.
        wheelhouse: where the wheels are.
        target: the only target to install for; None for all, distinguished by markers.
        reporter: where progress goes.

    Raises:
        InputError: the lock has no such target.
    """
    distributions = distributions_for(lock, target)
    markers, findings = _markers(lock) if target is None else ({}, ())
    targets = lock.targets if target is None else (named_target(lock, target),)
    found = find_locked_wheels(distributions, wheelhouse, reporter)
    findings = sorted_findings((*findings, *found.findings))
    if has_errors(findings):
        return None, findings
    pins = tuple(_pin(each, found, targets, markers.get(each.name)) for each in distributions)
    errors = [_without_wheel(pin) for pin in pins if not pin.wheels]
    errors = errors or list(_invalid_versions(lock, distributions))
    if errors:
        return None, sorted_findings((*findings, *errors))
    pythons = {each.language_version for each in targets} or {str(lock.host.python)}
    pinned = {each.name for each in distributions}
    return (
        Installation(
            pins=pins,
            python=pythons.pop() if len(pythons) == 1 else None,
            environments=tuple(sorted({marker_of(each) for each in targets})),
            unpinned_hosts=tuple(
                f"{host.distribution} {host.version}"
                for host in lock.host.packages()
                if host.distribution not in pinned
            ),
        ),
        findings,
    )


def distributions_for(lock: Lock, target: str | None) -> tuple[LockedDistribution, ...]:
    """Return what a lock pins, with just the digests of the wheels that are needed.

    Args:
        lock: the lock.
        target: the only target that counts, or None for all.

    Raises:
        InputError: the lock has no such target.
    """
    if target is None:
        return lock.distributions
    chosen = named_target(lock, target)
    return tuple(_for_target(each, chosen) for each in part_of(lock, target).distributions)


def _for_target(distribution: LockedDistribution, target: Target) -> LockedDistribution:
    """Keep the digest of the wheel that fits a target best; all where none fits."""
    ranks = {tag: rank for rank, tag in enumerate(environment_of(target).tags)}
    ranked = sorted(
        (rank, tag) for tag in distribution.digests if (rank := best_rank(tag, ranks)) is not None
    )
    if not ranked:
        return distribution
    return with_tags(distribution, {ranked[0][1]})


def _markers(lock: Lock) -> tuple[dict[str, str], tuple[Finding, ...]]:
    """Return the marker of each distribution that only some targets need.

    It is an error if it holds for the machines of other targets as well.
    """
    environments = {target.name: environment_of(target).markers for target in lock.targets}
    of_target = {target.name: marker_of(target) for target in lock.targets}
    markers: dict[str, str] = {}
    findings = []
    for distribution in lock.distributions:
        if not distribution.targets:
            continue
        several = sorted({of_target[name] for name in distribution.targets})
        text = several[0] if len(several) == 1 else " or ".join(f"({each})" for each in several)
        marker = Marker(text)
        alike = [
            name
            for name in sorted(environments.keys() - set(distribution.targets))
            if marker.evaluate(dict(environments[name]))
        ]
        if alike:
            findings.append(
                Finding(
                    code="conflict",
                    subject=distribution.name,
                    summary=f"only some targets need `{distribution.name}`, and no marker "
                    "distinguishes them from the others",
                    expected=", ".join(distribution.targets),
                    found=", ".join(alike),
                    hint="export each target separately with `--target NAME`",
                )
            )
        markers[distribution.name] = text
    return markers, tuple(findings)


def marker_of(target: Target) -> str:
    """Return the marker (PEP 508) of a target's machines.

    No marker can state which C library a machine has, and in which version.
    """
    markers = environment_of(target).markers
    is_exact = target.python != target.language_version
    names = (
        "python_full_version" if is_exact else "python_version",
        "sys_platform",
        "platform_machine",
    )
    return " and ".join(f"{name} == '{markers[name]}'" for name in names if markers[name])


def _pin(
    distribution: LockedDistribution,
    found: FoundWheels,
    targets: Sequence[Target],
    marker: str | None,
) -> Pin:
    requires = set(distribution.requires)
    for names in distribution.target_requires.values():
        requires.update(names)
    wheels = {
        wheel
        for (name, tag), wheel in found.wheels.items()
        if name == distribution.name
        and (not targets or any(fits(tag, target) for target in targets))
    }
    return Pin(
        name=distribution.name,
        version=distribution.version,
        requires=tuple(sorted(requires)),
        wheels=tuple(sorted(wheels, key=lambda wheel: wheel.file_name)),
        marker=marker,
    )


def _invalid_versions(lock: Lock, distributions: Sequence[LockedDistribution]) -> Iterator[Finding]:
    """Yield the versions that an installer could read as something else."""
    versions = [(each.name, each.version) for each in distributions]
    versions += [(host.distribution, host.version) for host in lock.host.packages()]
    for name, version in versions:
        if not is_version(version):
            yield Finding(
                code="version-drift",
                subject=name,
                summary=f"the lock's version of `{name}` isn't valid",
                expected="a version (PEP 440)",
                found=quote(shortened(version, _LONGEST_SHOWN)),
                hint="find out who wrote the lock, and re-lock",
            )


def _without_wheel(pin: Pin) -> Finding:
    return Finding(
        code="distribution-missing",
        subject=pin.name,
        summary=f"no wheel of `{pin.name}` {pin.version} in the wheelhouse fits the target",
        hint="add a wheel of that version that fits",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundWheels:
    """The wheels of a lock's distributions in a wheelhouse.

    Args:
        wheels: by name and wheel tag, the wheels whose files have the locked digest; for a
            distribution without digests all of its version.
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
        reporter: where progress goes.
    """
    wheels = [
        wheel for each in distributions for wheel in wheelhouse.wheels_of(each.name, each.version)
    ]
    usable_of: dict[str, list[_Hashed]] = {each.name: [] for each in distributions}
    broken_of: dict[str, list[BrokenDistributionError]] = {each.name: [] for each in distributions}
    for contents, wheel in zip(wheelhouse.contents_of(wheels, reporter or Reporter()), wheels):
        try:
            if isinstance(contents, BrokenDistributionError):
                raise contents
            hashed = _Hashed(file=wheelhouse.file(wheel), contents=contents)
            usable_of[wheel.name].append(hashed)
        except BrokenDistributionError as error:
            broken_of[wheel.name].append(error)
    found: dict[tuple[str, str], WheelFile] = {}
    findings: list[Finding] = []
    for each in distributions:
        usable, broken = usable_of[each.name], broken_of[each.name]
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
            subject=distribution.name,
            summary=f"the wheelhouse has no wheel of {subject} with the locked wheel tag",
            expected=tag,
            found=", ".join(sorted(wheel.contents.tag for wheel in usable))
            or "no wheel of that version",
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
        subject=distribution.name,
        summary=summary,
        expected=expected,
        found=found,
        where=where,
        hint="get the wheel from the source of the locked one, and find out who changed it",
    )


def _ambiguous(distribution: LockedDistribution, files: Sequence[WheelFile]) -> Finding:
    return Finding(
        code="conflict",
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
            subject=distribution.name,
            summary=f"the wheelhouse has no wheel of {subject}",
            where=where,
            hint="add a wheel of that version to the wheelhouse",
        )
    return Finding(
        code="unpinned",
        subject=distribution.name,
        summary=f"the lock has no digest of {subject}, so its wheel can't be verified",
        where=where,
        hint="make sure that you trust the wheel, or lock it with its digest",
    )
