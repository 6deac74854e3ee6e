"""Fixtures that run a test under each interpreter that is there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.environments import Environment, create_environment, install_with_uv
from tests.support.foreign import DISTRIBUTIONS
from tests.support.interpreters import usable_interpreters
from tests.support.snapshots import Snapshot

MakePlanted = Callable[[str], tuple[Environment, Snapshot]]


@pytest.fixture(params=["this", *usable_interpreters()])
def python(request: pytest.FixtureRequest) -> str:
    """This interpreter, and each other one that is there."""
    version: str = request.param
    return sys.executable if version == "this" else str(usable_interpreters()[version])


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory, wheelhouse: Path) -> MakePlanted:
    """Make an interpreter's environment with plugins, once, with a copy of it."""

    @cache
    def make(python: str) -> tuple[Environment, Snapshot]:
        directory = tmp_path_factory.mktemp("planted")
        made = create_environment(directory / "environment", python)
        install_with_uv(made, *DISTRIBUTIONS, wheelhouse=wheelhouse)
        return made, Snapshot(made.root, directory / "copy")

    return make


@pytest.fixture
def environment(python: str, planted: MakePlanted) -> Iterator[Environment]:
    """An environment with plugins, in which coral-lock isn't installed."""
    made, snapshot = planted(python)
    yield made
    snapshot.restore()
