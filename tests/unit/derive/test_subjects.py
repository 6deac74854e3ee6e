"""What a lock is held against, as a user names it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from coral_lock.derive.place import Place
from coral_lock.derive.subject import subject_of
from coral_lock.errors import CoralLockError, UsageError
from coral_lock.targets.machine import this_machine
from tests.support.locks import JETSON, lock_of_targets, sample_lock
from tests.support.refusals import told

DESCRIBED = "python=3.10,platform=linux_aarch64"


@pytest.mark.parametrize(("targets", "name"), [((), None), ((JETSON,), JETSON)])
def test_this_process(targets: tuple[str, ...], name: str | None) -> None:
    assert subject_of(Place(targets=targets), lock_of_targets()) == (None, name)


def test_an_interpreter() -> None:
    place = Place(python=sys.executable, targets=(JETSON,))
    subject, name = subject_of(place, lock_of_targets())
    assert subject is not None
    assert (subject.machine, subject.is_image, name) == (this_machine(), False, JETSON)


@pytest.mark.parametrize(("text", "name"), [(JETSON, JETSON), (DESCRIBED, None)])
def test_an_image(tmp_path: Path, text: str, name: str | None) -> None:
    site_packages = tmp_path / "site-packages"
    site_packages.mkdir()
    place = Place(site_packages=(str(site_packages),), targets=(text,))
    subject, found = subject_of(place, lock_of_targets())
    assert subject is not None
    assert (subject.python, subject.is_image, found) == ("3.10", True, name)


@pytest.mark.parametrize("python", [None, sys.executable])
def test_an_interpreter_needs_no_description(python: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        subject_of(Place(python=python, targets=(DESCRIBED,)), lock_of_targets())
    assert told(caught.value) == {
        "message": "an interpreter's target can't be described",
        "expected": None,
        "found": DESCRIBED,
        "where": None,
        "hint": "pass the name of one of the lock's targets",
    }


def test_an_image_of_an_unknown_target(tmp_path: Path) -> None:
    site_packages = tmp_path / "site-packages"
    site_packages.mkdir()
    place = Place(site_packages=(str(site_packages),), targets=(JETSON,))
    with pytest.raises(CoralLockError, match="the lock has no target `jetson`"):
        subject_of(place, sample_lock())
