"""From a lock and a wheelhouse to everything that is to be installed, and to its wheels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from packaging.markers import Marker

from coral_lock.canonical_json import quote
from coral_lock.document.formats import is_version
from coral_lock.errors import shortened
from coral_lock.finding import Finding, has_errors, sorted_findings
from coral_lock.inventory import Reporter
from coral_lock.lockfile.entries import LockedDistribution
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.parts import named_target, part_of, with_tags
from coral_lock.targets.environment import environment_of
from coral_lock.targets.model import Target, fits
from coral_lock.wheels.listing import best_rank
from coral_lock.wheels.locked import find_locked_wheels
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
    errors = errors or list(invalid_versions(lock, distributions))
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
    return with_tags(distribution, {tag for _, tag in ranked[:1]})


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


def invalid_versions(lock: Lock, distributions: Sequence[LockedDistribution]) -> Iterator[Finding]:
    """Yield the versions that another program could read as something else, as errors."""
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
