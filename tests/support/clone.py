"""A real git repository with a lock in it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.text import write_lock
from tests.support.environments import clean_environment
from tests.support.in_process import WorkingDirectory


class Clone(WorkingDirectory):
    """A clone with a branch `theirs` beside `main`."""

    def git(self, *words: str, code: int = 0) -> str:
        variables = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
        identity = ("-c", "user.name=N", "-c", "user.email=n@example.org")
        end = subprocess.run(
            ["git", *identity, *words],
            cwd=self.directory,
            env=clean_environment(variables),
            capture_output=True,
            text=True,
            check=False,
        )
        assert end.returncode == code, end.stdout + end.stderr
        return end.stdout

    def commit(self, lock: Lock, message: str) -> None:
        self.lock_path.write_text(write_lock(lock), encoding="utf-8", newline="")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)


def new_clone(directory: Path, lock: Lock) -> Clone:
    """Make a repository in an empty directory, with a lock as its first commit."""
    clone = Clone(directory=directory)
    clone.git("init", "-q", "-b", "main")
    clone.commit(lock, "base")
    return clone


def branch(clone: Clone, ours: Lock, theirs: Lock) -> None:
    """Commit one lock on `theirs` and the other on `main`, which is checked out."""
    clone.git("checkout", "-q", "-b", "theirs")
    clone.commit(theirs, "theirs")
    clone.git("checkout", "-q", "main")
    clone.commit(ours, "ours")
