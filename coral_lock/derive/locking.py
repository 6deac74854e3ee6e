"""Deriving the lock of a place: each target's part, then all of them in one."""

from __future__ import annotations

from coral_lock.derive.opening import WITHOUT_TARGET
from coral_lock.derive.repeats import Repeats
from coral_lock.finding import ERROR, Finding, has_errors, sorted_findings
from coral_lock.record import Record
from coral_lock.resolve.combination import combine
from coral_lock.resolve.resolution import Resolution, resolve, survey
from coral_lock.targets.wheel_tags import fits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from coral_lock.derive.opening import Opened
    from coral_lock.descriptor.model import Descriptor, HostVersions
    from coral_lock.lockfile.model import Lock
    from coral_lock.reporter import Reporter
    from coral_lock.resolve.resolution import Survey
    from coral_lock.targets.model import Target


class Derivation(Record):
    """What a place comes to.

    Args:
        opened: the place.
        lock: the whole lock; None where something stands in its way, or where the place
            is an environment and there are more targets than one.
        parts: the lock of each target that was looked at, by its name.
        findings: everything that is wrong or worth knowing, in a fixed order.
    """

    opened: Opened
    lock: Lock | None
    parts: Mapping[str, Lock]
    findings: tuple[Finding, ...]


def survey_all(
    opened: Opened, descriptor: Descriptor, told: HostVersions, reporter: Reporter
) -> dict[str, Survey]:
    """Find the plugins of each target and decide on each, by the target's name.

    What they require is followed, unless something is wrong with the place itself.
    """
    surveys = {
        name: survey(
            opened.inventories[name],
            descriptor,
            probe=opened.probe,
            no_probe=opened.no_probe,
            core_version=told.core,
            inference_version=told.inference,
            evidence=opened.evidence,
            reporter=reporter,
            is_installed=opened.choice is None,
            follows_requirements=opened.knows_machine and not has_errors(opened.findings),
        )
        for name in sorted(opened.inventories)
    }
    reporter.finished()
    return surveys


def derive(
    opened: Opened,
    descriptor: Descriptor,
    *,
    told: HostVersions,
    allow_editable: bool,
    reporter: Reporter,
) -> Derivation:
    """Derive the lock of a place that is open.

    Where the place itself is wrong, no file is hashed, and what the survey finds is told
    as well.
    """
    if has_errors(opened.findings):
        surveys = survey_all(opened, descriptor, told, reporter)
        found = {name: surveyed.findings for name, surveyed in surveys.items()}
        return Derivation(
            opened=opened,
            lock=None,
            parts={},
            findings=gathered_findings(opened, found),
        )
    resolutions = {
        name: _resolve(name, opened, descriptor, told, allow_editable, reporter)
        for name in sorted(opened.inventories)
    }
    found = {name: resolution.findings for name, resolution in resolutions.items()}
    findings = set(gathered_findings(opened, found))
    parts = {
        name: resolution.lock
        for name, resolution in resolutions.items()
        if resolution.lock is not None
    }
    lock = None
    if not has_errors(findings):
        lock, conflicts = _joined(opened, parts, descriptor)
        findings.update(conflicts)
    return Derivation(
        opened=opened,
        lock=None if has_errors(findings) else lock,
        parts=parts,
        findings=sorted_findings(findings),
    )


def _resolve(
    name: str,
    opened: Opened,
    descriptor: Descriptor,
    told: HostVersions,
    allow_editable: bool,
    reporter: Reporter,
) -> Resolution:
    inventory = opened.inventories[name]
    resolution = resolve(
        inventory,
        descriptor,
        probe=opened.probe,
        no_probe=opened.no_probe,
        core_version=told.core,
        inference_version=told.inference,
        allow_editable=allow_editable,
        evidence=opened.evidence,
        reporter=reporter,
        is_installed=opened.choice is None,
    )
    if resolution.lock is None:
        return resolution
    targets = [target for target in opened.targets if target.name == name]
    found = tuple(_unfitting(resolution.lock, targets))
    return Resolution(
        lock=None if has_errors(found) else resolution.lock,
        findings=sorted_findings((*resolution.findings, *found)),
    )


def _unfitting(lock: Lock, targets: Sequence[Target]) -> Iterator[Finding]:
    """Yield the distributions that were installed from wheels for another machine."""
    for target in targets:
        for distribution in lock.distributions:
            for tag in sorted(distribution.digests):
                if not fits(tag, target):
                    yield Finding(
                        code="platform-drift",
                        severity=ERROR,
                        subject=distribution.name,
                        summary=f"what is there of `{distribution.name}` is from a wheel for "
                        "another machine",
                        expected=str(target),
                        found=tag,
                        hint=f"install a wheel of `{distribution.name}` that fits, or name the "
                        "target that this is",
                    )


def _joined(
    opened: Opened, parts: Mapping[str, Lock], descriptor: Descriptor
) -> tuple[Lock | None, tuple[Finding, ...]]:
    """Return the whole lock; None where parts are missing, or can't go together."""
    if WITHOUT_TARGET in parts:
        return parts[WITHOUT_TARGET], ()
    if len(parts) < len(opened.targets):
        return None, ()
    return combine(parts, opened.targets, descriptor)


def gathered_findings(
    opened: Opened, found: Mapping[str, Iterable[Finding]]
) -> tuple[Finding, ...]:
    """Return the findings of a place and of all its targets, in a fixed order.

    One that isn't every target's says whose it is. What the place's own findings tell of a
    plugin isn't told again.

    Args:
        opened: the place.
        found: the findings of each target, by its name.
    """
    repeats = Repeats(opened, [each for findings in found.values() for each in findings])
    several = {name: set(repeats.of_target(findings)) for name, findings in found.items()}
    common = set.intersection(*several.values()) if several else set()
    gathered = {*repeats.of_place(opened.findings), *common}
    for name, findings in several.items():
        for finding in findings - common:
            gathered.add(finding.replace(summary=f"{finding.summary} (target `{name}`)"))
    return sorted_findings(gathered)
