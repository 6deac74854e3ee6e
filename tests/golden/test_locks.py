"""The bytes of a lock stay what they are, whatever becomes of the code that derives it.

A case is a folder: `wheels.yaml` says which wheels there are, `runtime.yaml` is the
descriptor, and `coral.lock` is the lock. Every case names its targets, so that the
interpreter that runs the tests doesn't enter.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.handmade_wheels import make_wheel
from tests.support.in_process import WorkingDirectory

CASES = sorted(path.parent for path in Path(__file__).parent.glob("*/wheels.yaml"))


def make_wheels(case: Path, directory: Path) -> None:
    """Write the wheels of a case, each described by the arguments of `make_wheel`."""
    directory.mkdir()
    wheels: list[dict[str, Any]] = yaml.safe_load((case / "wheels.yaml").read_text("utf-8"))
    for wheel in wheels:
        make_wheel(directory, **{"files": {}, **wheel})


def derive(case: Path, directory: Path) -> bytes:
    """Return the lock that `coral-runtime lock` writes for a case."""
    make_wheels(case, directory / "wheels")
    here = WorkingDirectory(directory=directory)
    done = here.coral(
        *("lock", "--no-env", "--config", case / "runtime.yaml"),
        *("--wheels", directory / "wheels", "--output", here.lock_path),
    )
    assert done.code == 0, done.stderr
    return here.lock_path.read_bytes()


def test_there_are_cases() -> None:
    assert len(CASES) >= 12


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_lock_has_the_same_bytes(case: Path, tmp_path: Path) -> None:
    assert derive(case, tmp_path) == (case / "coral.lock").read_bytes()
