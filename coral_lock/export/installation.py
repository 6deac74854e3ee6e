"""From a lock and a wheelhouse to everything that is to be installed, and to its wheels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

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
    wheels, wheel_findings = find_locked_wheels(distributions, wheelhouse, reporter)
    findings = sorted_findings((*findings, *wheel_findings))
    if has_errors(findings):
        return None, findings
    pins = tuple(
        Pin(
            name=each.name,
            version=each.version,
            requires=tuple(
                sorted({*each.requires, *chain.from_iterable(each.target_requires.values())})
            ),
            wheels=tuple(
                wheel
                for tag, wheel in wheels[each.name]
                if not targets or any(fits(tag, target) for target in targets)
            ),
            marker=markers.get(each.name),
        )
        for each in distributions
    )
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


_Usable: TypeAlias = tuple[WheelFile, WheelContents]
_Wheels: TypeAlias = Mapping[str, Sequence[tuple[str, WheelFile]]]
"""The wheels of each distribution, by name, with their wheel tags, sorted by file name."""


def find_locked_wheels(
    distributions: Sequence[LockedDistribution],
    wheelhouse: Wheelhouse,
    reporter: Reporter | None = None,
) -> tuple[_Wheels, tuple[Finding, ...]]:
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
        hint=f"add {'the wheel that was locked' if tag else 'a wheel of that version'} to the "
        "wheelhouse",
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
