"""Verification as a whole: a lock, narrowed to one machine, compared with what is there."""

from __future__ import annotations

from coral_lock.record import Record
from coral_lock.verification.coverage import covered_part
from coral_lock.verification.findings import findings_of
from coral_lock.verification.machine import observe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.finding import Finding
    from coral_lock.lockfile.model import Lock
    from coral_lock.verification.subject import Subject


class Verdict(Record):
    """The outcome of a verification.

    Args:
        part: what the machine was compared with: the lock, or the part of it that is for
            the machine; None where no part is.
        target: the name of the target that the machine is, None where the lock has none.
        findings: every deviation, in a fixed order.
    """

    part: Lock | None
    target: str | None
    findings: tuple[Finding, ...]


def verdict_on(
    lock: Lock, integrity: str, subject: Subject | None = None, target: str | None = None
) -> Verdict:
    """Compare a machine with a lock.

    Args:
        lock: the whole lock.
        integrity: `metadata`, `imports` or `full`: whose files are hashed.
        subject: what to look at, this process's own environment by default.
        target: the name of the lock's target that the machine has to be; by default the
            one that it is.

    Raises:
        InputError: the lock has no target of that name.
        UsageError: there is no such integrity level.
    """
    coverage = covered_part(lock, subject.machine if subject else None, target)
    if coverage.part is None:
        assert coverage.finding is not None
        return Verdict(part=None, target=coverage.target, findings=(coverage.finding,))
    findings = findings_of(coverage.part, observe(coverage.part, integrity, subject))
    return Verdict(part=coverage.part, target=coverage.target, findings=findings)
