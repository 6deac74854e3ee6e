"""Verification as a whole: a lock, narrowed to one machine, compared with what is installed."""

from __future__ import annotations

from coral_lock.canonical_json import join_path
from coral_lock.finding import Finding
from coral_lock.record import Record
from coral_lock.verification.findings import findings_of
from coral_lock.verification.machine import Environment, MachineState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from coral_lock.lockfile.model import Lock
    from coral_lock.targets.machine import Machine


class Verdict(Record):
    """The outcome of a verification.

    Args:
        part: what the machine was compared with: the lock, or the part of it that is for
            the machine; None where no part is.
        target: the name of the target that the machine is, None where the lock has none.
        findings: every deviation, in a fixed order.
        machine: what was seen of the machine; None where no part of the lock is for it.
    """

    part: Lock | None
    target: str | None = None
    findings: tuple[Finding, ...] = ()
    machine: MachineState | None = None


def verdict_on(
    lock: Lock,
    integrity: str,
    environment: Environment | None = None,
    target: str | None = None,
    *,
    is_start: bool = False,
    program: str | None = None,
    about_to_hash: Callable[[str | None, MachineState], None] = lambda target, machine: None,
) -> Verdict:
    """Compare a machine with a lock.

    Args:
        lock: the whole lock.
        integrity: `metadata`, `imports` or `full`: whose files are hashed.
        environment: what to look at, this process's own by default.
        target: the name of the lock's target that the machine has to be; by default the
            one that it is.
        is_start: whether imports will come out of the proved lists, so that other files
            don't matter.
        program: see `MachineState`.
        about_to_hash: gets the name of the target that the machine is, and the machine with
            no more than its hosts, before files are hashed.

    Raises:
        InputError: the lock has no target of that name.
        UsageError: there is no such integrity level.
    """
    verdict = covered_part(lock, environment.machine if environment else None, target)
    if verdict.part is None:
        return verdict
    machine = MachineState(
        verdict.part,
        integrity,
        environment,
        is_start=is_start,
        program=program,
        about_to_hash=lambda machine: about_to_hash(verdict.target, machine),
    )
    return verdict.replace(findings=findings_of(verdict.part, machine), machine=machine)


def covered_part(lock: Lock, machine: Machine | None = None, target: str | None = None) -> Verdict:
    """Narrow a lock to what it says of one machine, which isn't looked at yet.

    A lock without targets is for any machine: whether that has the right Python is up to
    the comparison with it.

    Args:
        lock: the whole lock.
        machine: the machine, by default the one that runs this.
        target: the name of the target that the machine has to be; by default the most
            demanding one that it is.

    Raises:
        InputError: the lock has no target of that name.
    """
    if target is None and not lock.targets:
        return Verdict(part=lock)
    # A start with a lock without targets doesn't pay for these imports.
    from coral_lock.lockfile.parts import listed, named_target, part_of
    from coral_lock.targets.machine import matching_target, this_machine

    targets = lock.targets if target is None else (named_target(lock, target),)
    machine = machine or this_machine()
    found = matching_target(targets, machine)
    if found is not None:
        return Verdict(part=part_of(lock, found.name), target=found.name)
    finding = Finding(
        code="target-uncovered",
        subject="targets",
        summary="no target of the lock matches this environment"
        if target is None
        else f"this environment doesn't match the target `{target}`",
        expected=listed([str(each) for each in targets]),
        found=str(machine),
        where="targets" if target is None else join_path("targets", target),
        hint="lock for this machine too: add it to `targets` in the descriptor, run "
        "`coral-runtime lock` and have the change reviewed"
        if target is None
        else "pass the name of the target that it matches, or none",
    )
    return Verdict(part=None, target=target, findings=(finding,))
