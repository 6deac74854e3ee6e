"""Fixtures that run a test under each interpreter that is there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.environments import Environment, create_environment, install_with_uv
from tests.support.foreign import DISTRIBUTIONS
from tests.support.interpreters import usable_interpreters


@pytest.fixture(params=["this", *usable_interpreters()])
def python(request: pytest.FixtureRequest) -> str:
    """This interpreter, and each other one that is there."""
    version: str = request.param
    return sys.executable if version == "this" else str(usable_interpreters()[version])


@pytest.fixture
def environment(tmp_path: Path, python: str, wheelhouse: Path) -> Environment:
    """An environment with plugins, in which coral-lock isn't installed."""
    made = create_environment(tmp_path / "environment", python)
    install_with_uv(made, *DISTRIBUTIONS, wheelhouse=wheelhouse)
    return made
