"""Errors as the text that tests compare."""

from __future__ import annotations

from pathlib import Path

import pytest

from coral_lock.descriptor.load import load_descriptor
from coral_lock.errors import CoralLockError, ProblemsError


def told(error: CoralLockError) -> list[str]:
    """Return each problem's message with all its details, on one line."""
    problems = error.problems if isinstance(error, ProblemsError) else (error,)
    return [_line(problem) for problem in problems]


def _line(error: CoralLockError) -> str:
    details = ("where", "expected", "found", "hint")
    given = [f"{name}: {getattr(error, name)}" for name in details if getattr(error, name)]
    return " | ".join([error.message, *given])


def mistakes_of(text: str | bytes, directory: Path, name: str = "runtime.yaml") -> list[str]:
    """Return what loading a descriptor file with that content is refused for."""
    path = directory / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CoralLockError) as caught:
        load_descriptor(str(path))
    assert caught.value.exit_code == 2
    return [line.replace(f"{directory}/", "") for line in told(caught.value)]


def setting_mistakes(*settings: str) -> list[str]:
    """Return what `--set` arguments are refused for."""
    with pytest.raises(CoralLockError) as caught:
        load_descriptor(None, settings=settings)
    assert caught.value.exit_code == 2
    return told(caught.value)
