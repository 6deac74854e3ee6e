"""A file in git: its content in a revision, and the stages of its merge."""

from __future__ import annotations

import os
import re
import subprocess
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from coral_lock.errors import InputError, printable

_TIME_LIMIT = 120.0
_STATUS = re.compile("[A-Z]+")
_STAGES = ("base", "ours", "theirs")


class GitError(InputError):
    """git isn't there, or refused what it was asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """A commit that changed a file.

    Attributes:
        name: its full object name.
        parents: those of its parents; a merge has several.
        author: the author's name: untrusted text.
        date: the author's date, `2026-01-31T12:00:00+01:00`.
        subject: the first line of its message: untrusted text.
        is_new: whether its parent has no file of that path.
        path: the file in it, from the top of the work tree.
        old_path: the file in its parents.
    """

    name: str
    parents: tuple[str, ...]
    author: str
    date: str
    subject: str
    is_new: bool
    path: str
    old_path: str


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
        try:
            self.top = os.fsdecode(self.run("rev-parse", "--show-toplevel").rstrip(b"\n"))
        except GitError as error:
            if error.found is None:
                raise
            raise GitError(
                "git knows of no work tree here",
                found=error.found,
                where=printable(os.path.abspath(directory)),
                hint="run the command in a clone of the repository of the lock",
            ) from None

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
        return self.blobs([(self.commit(revision), path)])[0]

    def blobs(self, places: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """Return the contents of files, each by the object name of a commit and the path."""
        # A path with a line feed can't be asked for, so it names nothing.
        asked = [f"{commit}:{path}" if "\n" not in path else "" for commit, path in places]
        printed = self.run(
            "cat-file",
            "--batch",
            content="".join(f"{each}\n" for each in asked).encode("utf-8", "surrogateescape"),
        )
        contents: list[bytes | None] = []
        start = 0
        for _ in places:
            end = printed.index(b"\n", start)
            header, start = printed[start:end], end + 1
            fields = header.split()
            if len(fields) != 3 or fields[1] not in (b"blob", b"tree", b"commit", b"tag"):
                contents.append(None)
                continue
            size = int(fields[2])
            contents.append(printed[start : start + size] if fields[1] == b"blob" else None)
            start += size + 1
        return contents

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

    def history(self, path: str, revision: str = "HEAD") -> Iterator[Commit]:
        """Yield the commits that brought a file to its state, the newest first, through renames.

        What a merge dropped isn't among them. A merge is if its file is that of none of its
        parents.

        Args:
            path: the file, from the top of the work tree.
            revision: what names the newest commit to look at.

        Raises:
            GitError: there is no such revision.
        """
        start: str | None = self.commit(revision)
        while start is not None:
            found = self._commits(path, start)
            start = None
            for index, commit in enumerate(found):
                old_path = None
                if commit.is_new and len(commit.parents) == 1:
                    old_path = self.renamed_from(path, commit.parents[0], commit.name)
                yield replace(commit, old_path=old_path or path)
                if old_path and index == len(found) - 1:
                    path, start = old_path, commit.parents[0]

    def _commits(self, path: str, start: str) -> list[Commit]:
        words = (
            "log",
            "-z",
            "--no-renames",
            "--name-status",
            "--diff-merges=combined",
            "--no-show-signature",
            "--encoding=UTF-8",
            "--format=%x00%H%x00%P%x00%an%x00%aI%x00%s",
        )
        printed = self.run(*words, start, "--", f":(top,literal){path}")
        fields = deque(printed.decode("utf-8", "replace").split("\0"))
        commits = []
        while fields:
            if fields.popleft() or len(fields) < 5:
                continue
            name, parents, author, date, subject = (fields.popleft() for _ in range(5))
            # Before the status is a line feed, or what ends the message of a merge.
            if len(fields) > 1 and not fields[0] and _STATUS.fullmatch(fields[1]):
                fields.popleft()
            if not (fields and _STATUS.fullmatch(fields[0].lstrip("\n"))):
                continue
            status, _ = fields.popleft().lstrip("\n"), fields.popleft()
            commits.append(
                Commit(
                    name=name,
                    parents=tuple(parents.split()),
                    author=author,
                    date=date,
                    subject=subject,
                    is_new=status == "A",
                    path=path,
                    old_path=path,
                )
            )
        return commits

    def renamed_from(self, path: str, old: str, new: str | None) -> str | None:
        """Return the path that a file had in one revision, if it was renamed up to another one.

        Args:
            path: the file in the newer one, from the top of the work tree.
            old: the revision to look at.
            new: the newer revision, None for the work tree.
        """
        ends = [self.commit(each) for each in (old, new) if each is not None]
        words = (
            "diff",
            "-z",
            "--no-ext-diff",
            "--find-renames",
            "--diff-filter=R",
            "--name-status",
        )
        fields = self.run(*words, *ends).decode("utf-8", "surrogateescape").split("\0")
        renames = zip(fields[1::3], fields[2::3])
        return next((before for before, after in renames if after == path), None)

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
