"""The command line without a process of its own, for what needs no environment."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from coral_lock.__main__ import main
from tests.support.device import Outcome
from tests.support.environments import clean_environment
from tests.support.hints import wrong_hints


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkingDirectory:
    """Where commands are run, with a cache of its own in it."""

    directory: Path

    @property
    def lock_path(self) -> Path:
        return self.directory / "coral.lock"

    @property
    def cache(self) -> Path:
        return self.directory / "cache"

    def coral(self, *words: str | Path, env: Mapping[str, str] | None = None) -> Outcome:
        """Run `coral-runtime` in this process; its hints may only name what it has."""
        arguments = list(map(str, words))
        variables = clean_environment({"XDG_CACHE_HOME": str(self.cache), **(env or {})})
        stdout, stderr = (
            io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="", write_through=True)
            for _ in range(2)
        )
        with contextlib.ExitStack() as stack:
            stack.enter_context(patch.dict(os.environ, variables, clear=True))
            stack.enter_context(patch.object(sys, "argv", ["coral-runtime", *arguments]))
            stack.enter_context(_inside(self.directory))
            stack.enter_context(contextlib.redirect_stdout(stdout))
            stack.enter_context(contextlib.redirect_stderr(stderr))
            code = main(arguments)
        outcome = Outcome(code=code, stdout=_written(stdout), stderr=_written(stderr))
        assert wrong_hints(arguments, outcome.stderr) == []
        return outcome

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return path

    def locked(self, *words: str | Path) -> str:
        """Lock, insist on success, and return the lock's text."""
        self.coral("lock", *words).require(0)
        return self.lock_path.read_text(encoding="utf-8")


def _written(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


@contextlib.contextmanager
def _inside(directory: Path) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)
