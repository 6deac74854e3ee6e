"""Which part of a lock is for a machine."""

from __future__ import annotations

import pytest

from coral_lock.errors import InputError
from coral_lock.finding import ERROR, Finding
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.parts import named_target, part_of
from coral_lock.targets.machine import Machine
from coral_lock.targets.model import Target, parse_platform
from coral_lock.verification.verdict import Verdict, covered_part
from tests.support.locks import sample_lock

JETSON = Target(name="jetson", python="3.10", platform="manylinux_2_31_aarch64")
PI = Target(name="pi", python="3.11", platform="manylinux_2_36_aarch64")
DEVICE = Machine(python="3.11.7", platform=parse_platform("manylinux_2_36_aarch64"))
SERVER = Machine(python="3.11.7", platform=parse_platform("manylinux_2_36_x86_64"))


def targeted_lock() -> Lock:
    lock = sample_lock()
    return lock.replace(host=lock.host.replace(python=None), targets=(JETSON, PI))


def test_a_lock_without_targets_is_for_any_machine() -> None:
    lock = sample_lock()
    for machine in (None, DEVICE, SERVER):
        assert covered_part(lock, machine) == Verdict(part=lock)


def test_the_part_of_the_target_that_a_machine_is() -> None:
    lock = targeted_lock()
    expected = Verdict(part=part_of(lock, "pi"), target="pi")
    assert covered_part(lock, DEVICE) == expected
    assert covered_part(lock, DEVICE, "pi") == expected


HINT = (
    "lock for this machine too: add it to `targets` in the descriptor, run "
    "`coral-runtime lock` and have the change reviewed"
)


def test_a_machine_that_no_target_covers() -> None:
    assert covered_part(targeted_lock(), SERVER) == Verdict(
        part=None,
        findings=(
            Finding(
                code="target-uncovered",
                severity=ERROR,
                subject="targets",
                summary="no target of the lock matches this environment",
                expected="jetson (Python 3.10, manylinux_2_31_aarch64), "
                "pi (Python 3.11, manylinux_2_36_aarch64)",
                found="Python 3.11.7, Linux on x86_64, glibc 2.36",
                where="targets",
                hint=HINT,
            ),
        ),
    )


def test_a_machine_that_isn_t_the_target_it_has_to_be() -> None:
    assert covered_part(targeted_lock(), DEVICE, "jetson") == Verdict(
        part=None,
        target="jetson",
        findings=(
            Finding(
                code="target-uncovered",
                severity=ERROR,
                subject="targets",
                summary="this environment doesn't match the target `jetson`",
                expected="jetson (Python 3.10, manylinux_2_31_aarch64)",
                found="Python 3.11.7, Linux on aarch64, glibc 2.36",
                where="targets.jetson",
                hint="pass the name of the target that it matches, or none",
            ),
        ),
    )


def test_many_targets_are_named_up_to_a_bound() -> None:
    lock = targeted_lock().replace(
        targets=tuple(JETSON.replace(name=f"t{number:03}") for number in range(25))
    )
    (finding,) = covered_part(lock, SERVER).findings
    assert finding.expected is not None
    assert finding.expected.endswith("t019 (Python 3.10, manylinux_2_31_aarch64), and 5 more")


@pytest.mark.parametrize(
    ("lock", "expected", "hint"),
    [
        (targeted_lock(), "jetson, pi", "pass one of those, or none"),
        (sample_lock(), "none: it has no targets", "pass no target"),
    ],
)
def test_a_target_that_the_lock_doesn_t_have(lock: Lock, expected: str, hint: str) -> None:
    for ask in (lambda: covered_part(lock, DEVICE, "orin"), lambda: named_target(lock, "orin")):
        with pytest.raises(InputError) as raised:
            ask()
        assert str(raised.value) == "the lock has no target `orin`"
        assert (raised.value.expected, raised.value.hint) == (expected, hint)
