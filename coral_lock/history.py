"""Locks of revisions, and what each commit changed about a lock."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass

from coral_lock.difference.changes import difference, without_entries
from coral_lock.difference.model import Change
from coral_lock.errors import LockError, printable
from coral_lock.lockfile.file import MAX_LOCK_BYTES, parse_lock, read_lock_bytes
from coral_lock.lockfile.model import Lock
from coral_lock.repository import Commit, Repository

_AT_A_TIME = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class LockCommit:
    """A commit and what it changed about the lock.

    Attributes:
        commit: the commit.
        changes: the changes; of a merge those that no parent has.
        problem: why they aren't known: a lock in it or before it can't be read.
    """

    commit: Commit
    changes: tuple[Change, ...] = ()
    problem: LockError | None = None


def lock_history(repository: Repository, path: str, revision: str = "HEAD") -> Iterator[LockCommit]:
    """Yield the commits that changed a lock, the newest first; no merge that only joins them.

    Args:
        repository: where it is.
        path: the lock, from the top of the work tree.
        revision: what names the newest commit to look at.

    Raises:
        GitError: there is no such revision.
    """
    commits = repository.history(path, revision)
    while batch := list(itertools.islice(commits, _AT_A_TIME)):
        places = [
            (name, place)
            for commit in batch
            for name, place in (
                (commit.name, commit.path),
                *((parent, commit.old_path) for parent in commit.parents),
            )
        ]
        contents = dict(zip(places, repository.blobs(places)))
        for commit in batch:
            found = _lock_commit(commit, contents)
            if found.changes or found.problem or len(commit.parents) < 2:
                yield found


def _lock_commit(commit: Commit, contents: dict[tuple[str, str], bytes | None]) -> LockCommit:
    def lock_in(name: str, path: str) -> Lock | None:
        return lock_of(contents[name, path], f"{name[:10]}:{path}")

    try:
        after = lock_in(commit.name, commit.path)
        befores = [lock_in(parent, commit.old_path) for parent in commit.parents] or [None]
    except LockError as error:
        return LockCommit(commit=commit, problem=error)
    first, *others = (changes_between(before, after) for before in befores)
    # What a merge took over from a parent is a change of another commit.
    paths = [{change.path for change in changes} for changes in others]
    changes = tuple(change for change in first if all(change.path in some for some in paths))
    return LockCommit(commit=commit, changes=changes)


def changes_between(old: Lock | None, new: Lock | None) -> tuple[Change, ...]:
    """Return the changes between two locks; where there is none, nothing is locked."""
    known = new or old
    if known is None:
        return ()
    nothing = without_entries(known, known.targets)
    return difference(old or nothing, new or nothing)


def lock_of(content: bytes | None, name: str) -> Lock | None:
    """Return the lock of a file's content; None for no file.

    Raises:
        LockError: it isn't a lock, or is over 16 MiB.
    """
    if content is None:
        return None
    if len(content) > MAX_LOCK_BYTES:
        raise LockError(f"the lock is larger than {MAX_LOCK_BYTES} bytes", where=name)
    return parse_lock(content, name)


def locks_of_range(
    repository: Repository, path: str, revisions: str
) -> tuple[tuple[Lock | None, str], tuple[Lock | None, str]]:
    """Return the locks at the two ends of a range, each with what to call it.

    Args:
        repository: where the lock is.
        path: its file, as the user names it.
        revisions: `REV` (from there to the work tree), `REV..REV`, or `REV...REV` (from where the
            second left the first).

    Raises:
        GitError: there is no such revision.
        LockError: what is there isn't a lock.
    """
    place = repository.relative(path)
    start, dots, end = revisions.partition("..." if "..." in revisions else "..")
    start, end = start or "HEAD", (end or "HEAD") if dots else ""
    if dots == "...":
        bases = repository.run("merge-base", repository.commit(start), repository.commit(end))
        start = bases.decode("ascii").split()[0]
    old_place = repository.renamed_from(place, start, end or None) or place
    old_name = f"{printable(start)}:{old_place}"
    old = lock_of(repository.blob(start, old_place), old_name), old_name
    if end:
        name = f"{printable(end)}:{place}"
        return old, (lock_of(repository.blob(end, place), name), name)
    content = None
    if os.path.lexists(path):
        content = read_lock_bytes(path)
    return old, (lock_of(content, path), path)


def lock_of_revision(name: str) -> Lock:
    """Return the lock that `REV:PATH` names; the path is from the top of the work tree, or from
    here if it starts with `./`.

    Raises:
        GitError: there is no such revision.
        LockError: it has no such file, or the file isn't a lock.
    """
    revision, _, path = name.partition(":")
    repository = Repository()
    place = repository.relative(path) if path.startswith(("./", "../")) else path
    lock = lock_of(repository.blob(revision, place), name)
    if lock is None:
        raise LockError(
            "there is no lock",
            where=name,
            hint="paths are from the top of the work tree, or from here with `REV:./PATH`",
        )
    return lock
