"""How long it takes to compare two large locks, from one release to the next."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path

from coral_lock.lockfile.entries import Host, HostPackage, LockedDistribution, LockedPlugin
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.text import write_lock
from tests.bench.processes import Measurement, Program, measure
from tests.support.environments import Environment

PLUGINS, LIBRARIES = 2_000, 500
_ADDED_EVERY, _UPGRADED_EVERY, _LIBRARY_UPGRADED_EVERY = 20, 2, 10


def measure_diff(
    environment: Environment, root: Path, *, runs: int, variables: Mapping[str, str]
) -> Measurement:
    """Measure `diff` as a whole process.

    The new lock has 2,000 plugins, each with a distribution of its own that requires three of the
    libraries; a library requires the next one. The old lock lacks every twentieth plugin, and has
    an older version of every second one and of every tenth library.

    Args:
        environment: where coral-lock is installed.
        root: where the locks are written.
        runs: how often it is run.
        variables: the environment variables.
    """
    root.mkdir(parents=True)
    for name, is_new in (("old.lock", False), ("new.lock", True)):
        (root / name).write_text(write_lock(_lock(is_new=is_new)), encoding="utf-8")
    words = (str(environment.bin / "coral-runtime"), "diff", "old.lock", "new.lock")
    program = Program(name="diff", words=words, directory=root)
    (measured,) = measure([program], runs=runs, variables=variables, progress=lambda text: None)
    return measured


def _lock(*, is_new: bool) -> Lock:
    numbers = [each for each in range(PLUGINS) if is_new or each % _ADDED_EVERY]
    return Lock(
        platform="onnx",
        host=Host(
            core=HostPackage(distribution="coral-inference", version="0.0.4"),
            inference=HostPackage(distribution="inference", version="0.58.0"),
            python="3.11",
        ),
        plugins=tuple(
            LockedPlugin(
                id=f"patches:plugin_{number:04}",
                distribution=f"plugin-{number:04}",
                entry_point=f"plugin_{number:04}.plugins:register",
                description=f"Does the {number}th thing",
                min_core_version="0.0.4",
            )
            for number in numbers
        ),
        distributions=(
            *(_library(number, is_new) for number in range(LIBRARIES)),
            *(_plugin(number, is_new) for number in numbers),
        ),
    )


def _library(number: int, is_new: bool) -> LockedDistribution:
    following = (_library_name(number + 1),) if number + 1 < LIBRARIES else ()
    version = "2.1" if is_new and number % _LIBRARY_UPGRADED_EVERY == 0 else "2.0"
    return _distribution(_library_name(number), version, following)


def _plugin(number: int, is_new: bool) -> LockedDistribution:
    requires = {_library_name(number * step % LIBRARIES) for step in (1, 7, 31)}
    version = "1.1" if is_new and number % _UPGRADED_EVERY == 0 else "1.0"
    return _distribution(f"plugin-{number:04}", version, tuple(sorted(requires)))


def _distribution(name: str, version: str, requires: tuple[str, ...]) -> LockedDistribution:
    digest = hashlib.sha256(f"{name} {version}".encode()).digest()
    digests = {"py3-none-any": f"t1:{base64.b64encode(digest).decode()}"}
    return LockedDistribution(name=name, version=version, digests=digests, requires=requires)


def _library_name(number: int) -> str:
    return f"library-{number:03}"
