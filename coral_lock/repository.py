"""A file in git: its content in a revision, and the stages of its merge."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence

from coral_lock.errors import InputError, printable

_TIME_LIMIT = 120.0
_STAGES = ("base", "ours", "theirs")


class GitError(InputError):
    """git isn't there, or refused what it was asked for."""


class Repository:
    """The work tree of git that a directory is in.

    Nothing is run that a repository configures: no filters, hooks, external diffs or monitors.

    Args:
        directory: where to look from, by default the current directory.

    Attributes:
        top: the absolute path of the work tree.

    Raises:
        GitError: there is no git, or no work tree.
    """

    def __init__(self, directory: str = ".") -> None:
        if not os.path.isdir(directory):
            raise GitError("there is no such directory", where=directory)
        self._directory = directory
        self.top = os.fsdecode(self.run("rev-parse", "--show-toplevel").rstrip(b"\n"))

    def run(self, *words: str, content: bytes = b"") -> bytes:
        """Return what a git command prints.

        Raises:
            GitError: it failed, with what it said.
        """
        end = self._finished(words, content)
        if end.returncode != 0:
            said = end.stderr.decode("utf-8", "replace").strip()
            raise GitError(
                f"`git {words[0]}` failed",
                found=printable(said.partition("\n")[0].removeprefix("fatal: ")),
            )
        return end.stdout

    def answers(self, *words: str) -> bool:
        """Whether a git command succeeds."""
        return self._finished(words, b"").returncode == 0

    def relative(self, path: str) -> str:
        """Return a path in the work tree as git has it, from its top.

        Raises:
            GitError: it is outside of the work tree.
        """
        place = os.path.relpath(os.path.realpath(os.path.dirname(path) or "."), self.top)
        if place.split(os.sep)[0] == os.pardir:
            raise GitError("the file isn't in this work tree", expected=self.top, found=path)
        return os.path.normpath(os.path.join(place, os.path.basename(path))).replace(os.sep, "/")

    def blob(self, revision: str, path: str) -> bytes | None:
        """Return the content of a file in a revision, None where the revision has none.

        Args:
            revision: what names a commit.
            path: the file, from the top of the work tree.

        Raises:
            GitError: there is no such revision.
        """
        commit = self.commit(revision)
        listed = self.run("ls-tree", "-z", "--full-tree", commit, "--", path).decode(
            "utf-8", "replace"
        )
        kind = listed.partition("\t")[0].split()
        if len(kind) != 3 or kind[1] != "blob":
            return None
        return self.run("cat-file", "blob", kind[2])

    def commit(self, revision: str) -> str:
        """Return the object name of the commit that a revision names.

        Raises:
            GitError: it names none.
        """
        try:
            found = self.run(
                "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
            )
        except GitError:
            raise GitError(
                f"git knows no revision `{printable(revision)}`",
                hint="name a branch, a tag or a commit; `git fetch` brings those of others",
            ) from None
        return found.decode("ascii").strip()

    def stages(self, path: str) -> Mapping[str, bytes]:
        """Return the sides of a merge that the index holds of a file: `base`, `ours`, `theirs`."""
        sides = {}
        for line in self.run(
            "ls-files", "--unmerged", "-z", "--full-name", "--", f":(top,literal){path}"
        ).split(b"\0"):
            fields = line.partition(b"\t")[0].decode("ascii").split()
            if len(fields) == 3:
                sides[_STAGES[int(fields[2]) - 1]] = self.run("cat-file", "blob", fields[1])
        return sides

    def _finished(self, words: Sequence[str], content: bytes) -> subprocess.CompletedProcess[bytes]:
        safe = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "--no-pager")
        environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
        try:
            return subprocess.run(
                ("git", *safe, *words),
                input=content,
                capture_output=True,
                cwd=self._directory,
                env=environment,
                timeout=_TIME_LIMIT,
                check=False,
            )
        except FileNotFoundError:
            raise GitError("there is no git", hint="install git, or pass files") from None
        except subprocess.TimeoutExpired:
            raise GitError(f"`git {words[0]}` took longer than {_TIME_LIMIT:g} s") from None
