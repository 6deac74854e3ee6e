"""Which part of a lock is for a machine, or that none is."""

from __future__ import annotations

from coral_lock.canonical_json import join_path
from coral_lock.errors import InputError
from coral_lock.finding import ERROR, Finding
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from coral_lock.lockfile.model import Lock
    from coral_lock.targets.machine import Machine
    from coral_lock.targets.model import Target

_MAX_NAMED = 20


class Coverage(Record):
    """What a lock says of a machine.

    Args:
        part: a lock without targets that is for the machine; None where none is.
        target: the name of the target that the machine is, None where the lock has none.
        finding: that no target is like the machine; None where one is.
    """

    part: Lock | None
    target: str | None = None
    finding: Finding | None = None


def covered_part(lock: Lock, machine: Machine | None = None, target: str | None = None) -> Coverage:
    """Narrow a lock to what it says of one machine.

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
    targets = lock.targets if target is None else (named_target(lock, target),)
    if not targets:
        return Coverage(part=lock)
    # A start with a lock without targets doesn't pay for these imports.
    from coral_lock.lockfile.parts import part_of
    from coral_lock.targets.machine import matching_target, this_machine

    machine = machine or this_machine()
    found = matching_target(targets, machine)
    if found is None:
        return Coverage(part=None, target=target, finding=_uncovered(targets, machine, target))
    return Coverage(part=part_of(lock, found.name), target=found.name)


def named_target(lock: Lock, name: str) -> Target:
    """Return the target of that name.

    Raises:
        InputError: the lock has none.
    """
    for target in lock.targets:
        if target.name == name:
            return target
    raise InputError(
        f"the lock has no target `{name}`",
        expected=_listed([each.name for each in lock.targets]) or "none: it has no targets",
        hint="name one of those, or none" if lock.targets else "name none",
    )


def _uncovered(targets: Sequence[Target], machine: Machine, name: str | None) -> Finding:
    return Finding(
        code="target-uncovered",
        severity=ERROR,
        subject="targets",
        summary="the lock covers no machine like this one"
        if name is None
        else f"this machine isn't one like the target `{name}`",
        expected=_listed([str(target) for target in targets]),
        found=str(machine),
        where="targets" if name is None else join_path("targets", name),
        hint="lock for this machine too: add it to `targets` in the descriptor, run "
        "`coral-runtime lock` and have the change reviewed"
        if name is None
        else "name the target that it is, or none",
    )


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _MAX_NAMED
    more = [f"and {rest} more"] if rest > 0 else []
    return ", ".join([*names[:_MAX_NAMED], *more])
