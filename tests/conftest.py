"""Fixtures that every test may use: the wheelhouse, and devices with coral-lock installed."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.device import Device, Environments
from tests.support.real_wheels import fetch_real_wheels
from tests.support.wheelhouse import REPOSITORY, fill_wheelhouse

# Laws of locks and choices build large examples, and machines differ in speed.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", _PATIENT, max_examples=10)
settings.register_profile("brief", _PATIENT, max_examples=25)
settings.register_profile("thorough", _PATIENT, max_examples=1_000)
settings.load_profile("brief")


_SHARED_MEMORY = "/dev/shm"
_ROOM = 4 << 30
"""More bytes than the environments take that are there at one time."""


def pytest_configure() -> None:
    """Keep temporary files in memory where there is room, and nobody has said another place.

    Tests make thousands of small files for each environment, which takes many file systems
    longer than all that is then done with them. Workers inherit the place.
    """
    if "TMPDIR" not in os.environ and _has_room(_SHARED_MEMORY):
        os.environ["TMPDIR"] = _SHARED_MEMORY
        tempfile.tempdir = None


def _has_room(directory: str) -> bool:
    """Whether programs can be made and run in a directory, and many of them."""
    try:
        system = os.statvfs(directory)
    except OSError:
        return False
    is_free = system.f_bavail * system.f_frsize >= _ROOM and not system.f_flag & os.ST_NOEXEC
    return is_free and os.access(directory, os.W_OK | os.X_OK)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return more workers than cores: a quarter of their time they wait for other processes."""
    cores = os.cpu_count() or 1
    return cores + (cores + 1) // 2


def pytest_collection_finish() -> None:
    """Spare the garbage collector the tests themselves, which it would look at again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


MakeDevice = Callable[..., Device]


@pytest.fixture(scope="session")
def wheelhouse() -> Path:
    """The wheels of all fixtures, of coral-lock, and of what they require."""
    directory = REPOSITORY / ".cache" / "wheelhouse"
    fill_wheelhouse(directory)
    return directory


@pytest.fixture(scope="session")
def real_wheels(wheelhouse: Path) -> tuple[Path, ...]:
    """Published wheels of all kinds for this interpreter, with all that they require."""
    return fetch_real_wheels(wheelhouse)


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory, wheelhouse: Path) -> Environments:
    return Environments(tmp_path_factory.mktemp("environments"), wheelhouse)


@pytest.fixture
def device(tmp_path: Path, environments: Environments) -> Iterator[MakeDevice]:
    """Make a device: an environment with coral-lock and the named distributions."""
    made: list[Device] = []

    def make(*distributions: str, installer: str = "uv", name: str = "") -> Device:
        directory = tmp_path / (name or f"device-{len(made)}")
        made.append(environments.device(directory, *distributions, installer=installer))
        return made[-1]

    yield make
    for each in made:
        environments.give_back(each.environment)
