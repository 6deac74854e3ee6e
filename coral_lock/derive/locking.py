"""Deriving the lock of a place, and whether an existing lock is still what would be derived."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from coral_lock.derive.opening import WITHOUT_TARGET, Opened
from coral_lock.descriptor.model import Descriptor
from coral_lock.difference.model import Change
from coral_lock.errors import UsageError
from coral_lock.finding import ERROR, Finding, has_errors, sorted_findings
from coral_lock.inventory import Reporter
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.parts import narrowed_digests, part_of
from coral_lock.locking.resolution import Survey, resolve, survey
from coral_lock.locking.selection import is_unoffered, nearest_plugin
from coral_lock.names import base_id, normalized_name
from coral_lock.record import Record
from coral_lock.targets.model import Target, fits


def kept_versions(lock: Lock | None, upgraded: Sequence[str]) -> dict[str, str]:
    """Return the versions of a lock's distributions that are to be kept, by name.

    Args:
        lock: the existing lock, or None.
        upgraded: ids of plugins whose distributions aren't kept, or names of distributions.

    Raises:
        UsageError: the lock has no such plugin or distribution.
    """
    distributions: dict[str, str] = {}
    versions: dict[str, str] = {}
    if lock is not None:
        distributions.update((plugin.id, plugin.distribution) for plugin in lock.plugins)
        for excluded in lock.excluded:
            distributions.setdefault(base_id(excluded.id), excluded.distribution)
        versions = {each.name: each.version for each in lock.distributions}
        distributions.update((name, name) for name in versions)
    for identifier in upgraded:
        known = identifier if identifier in distributions else normalized_name(identifier)
        if known not in distributions:
            raise _unknown(identifier, distributions)
        versions.pop(distributions[known], None)
    return versions


def _unknown(identifier: str, known: Collection[str]) -> UsageError:
    near = nearest_plugin(identifier, known)
    return UsageError(
        f"the lock has no plugin and no distribution `{identifier}` to upgrade",
        expected="the id of one of its plugins, or the name of a distribution"
        if known
        else "a lock with plugins",
        hint=f"did you mean `{near}`?"
        if near
        else "see `coral-runtime plugins list`; what isn't in the lock is taken in its newest "
        "version anyway",
    )


class Derivation(Record):
    """What was derived from a place.

    Args:
        opened: the place.
        lock: the whole lock; None where there are errors, or where the place is an
            environment and there are more targets than one.
        parts: the lock of each target that was inspected, by its name.
        findings: everything that is wrong or worth knowing, in a fixed order.
    """

    opened: Opened
    lock: Lock | None
    parts: Mapping[str, Lock]
    findings: tuple[Finding, ...]


def survey_all(opened: Opened, descriptor: Descriptor, reporter: Reporter) -> dict[str, Survey]:
    """Find the plugins of each target and decide on each, by the target's name.

    What they require is followed, unless something is wrong with the place itself.
    """
    surveys = {
        name: survey(
            inventory,
            descriptor,
            evidence=opened.evidence,
            reporter=reporter,
            is_installed=opened.choice is None,
            follows_requirements=opened.knows_machine and not has_errors(opened.findings),
        )
        for name, inventory in sorted(opened.inventories.items())
    }
    reporter.finished()
    return surveys


def derive(
    opened: Opened,
    descriptor: Descriptor,
    *,
    allow_editable: bool,
    reporter: Reporter,
) -> Derivation:
    """Derive the lock of a place that is open.

    Where something is wrong with the place itself, no file is hashed, and the findings are
    its own and those of the survey.
    """
    surveys = survey_all(opened, descriptor, reporter)
    found = {name: each.findings for name, each in surveys.items()}
    parts: dict[str, Lock] = {}
    if not has_errors(opened.findings):
        for name, surveyed in surveys.items():
            part, own = resolve(surveyed, allow_editable=allow_editable, reporter=reporter)
            targets = [target for target in opened.targets if target.name == name]
            unfitting = tuple(_unfitting(part, targets))
            found[name] = (*own, *unfitting)
            if part is not None and not unfitting:
                parts[name] = part
    lock, findings = None, gathered_findings(opened, found)
    if not has_errors(findings):
        lock = parts.get(WITHOUT_TARGET)
        if lock is None and len(parts) == len(opened.targets):
            # Few locks are for several targets.
            from coral_lock.locking.combination import combine

            lock, conflicts = combine(parts, opened.targets, descriptor)
            findings = sorted_findings({*findings, *conflicts})
    return Derivation(
        opened=opened,
        lock=None if has_errors(findings) else lock,
        parts=parts,
        findings=findings,
    )


def _unfitting(lock: Lock | None, targets: Sequence[Target]) -> Iterator[Finding]:
    """Yield the distributions that were installed from wheels for another machine."""
    for target in targets:
        for distribution in lock.distributions if lock else ():
            for tag in sorted(distribution.digests):
                if not fits(tag, target):
                    yield Finding(
                        code="platform-drift",
                        subject=distribution.name,
                        summary=f"`{distribution.name}` was installed from a wheel for another "
                        "machine",
                        expected=str(target),
                        found=tag,
                        hint=f"install a wheel of `{distribution.name}` that fits, or pass the "
                        "target that this environment is",
                    )


def gathered_findings(
    opened: Opened, found: Mapping[str, Iterable[Finding]]
) -> tuple[Finding, ...]:
    """Return the findings of a place and of all its targets, in a fixed order.

    One that isn't every target's says whose it is. Where choosing versions and judging what
    was chosen find the same problem, it is reported once.

    Args:
        opened: the place.
        found: the findings of each target, by its name.
    """
    gathered = set(opened.findings)
    several = {
        name: {each for each in findings if not _is_repeated(each, opened)}
        for name, findings in found.items()
    }
    common = set.intersection(*several.values()) if several else set()
    for name, findings in several.items():
        for finding in findings - common:
            gathered.add(finding.replace(summary=f"{finding.summary} (target `{name}`)"))
    return sorted_findings(gathered | common)


_CHOOSING = frozenset({"no-solution", "requirement-unmet", "wrong-platform"})
"""The codes of findings about choosing versions. Others are about wheels that can't be read."""


def _is_repeated(finding: Finding, opened: Opened) -> bool:
    """Whether a finding about what was chosen follows from one of choosing."""
    if opened.choice is None:
        return False
    errors = {each.subject: each for each in opened.findings if each.severity == ERROR}
    if is_unoffered(finding):
        if finding.severity == ERROR:
            # A wheel that can't be read may be the one that offers it.
            is_unread = any(each.code not in _CHOOSING for each in errors.values())
            return is_unread or finding.subject in errors
        return finding.subject in opened.choice.known
    if finding.severity == ERROR:
        return finding.subject in errors and finding.code != "conflict"
    return finding.code in ("conflict", "requirement-unmet") and any(
        each.subject == finding.subject for each in opened.findings
    )


class Freshness(Record):
    """What would change about a lock.

    Args:
        changes: the changes, none if it is fresh.
        parts: the targets whose parts were inspected; none where the whole lock was.
        unchecked: the names of the other targets, sorted.
    """

    changes: tuple[Change, ...]
    parts: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()

    @property
    def is_fresh(self) -> bool:
        return not self.changes


def freshness_of(locked: Lock, derivation: Derivation) -> Freshness:
    """Compare a lock with what was derived.

    Args:
        locked: the existing lock.
        derivation: what would be written now, without errors; its whole lock, or the parts
            of some of its targets.
    """
    if locked == derivation.lock:
        return Freshness(changes=())
    # Most locks that are checked are fresh, and comparing takes long to import.
    from coral_lock.difference.assessment import review_order
    from coral_lock.difference.changes import difference, without_entries

    if derivation.lock is not None:
        return Freshness(changes=difference(locked, derivation.lock))
    targets = derivation.opened.targets
    if locked.targets != targets:
        return Freshness(
            changes=difference(
                without_entries(locked, locked.targets), without_entries(locked, targets)
            )
        )
    names = tuple(sorted(derivation.parts))
    changes: list[Change] = []
    for name in names:
        derived = derivation.parts[name]
        part = narrowed_digests(part_of(locked, name), derived)
        changes += [change for change in difference(part, derived) if change not in changes]
    changes.sort(key=review_order)
    return Freshness(
        changes=tuple(changes),
        parts=names,
        unchecked=tuple(target.name for target in targets if target.name not in names),
    )
