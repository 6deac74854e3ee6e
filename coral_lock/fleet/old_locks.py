"""The locks that devices run, found by the digest of their bytes: in a directory, or in git."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from coral_lock.errors import CoralLockError, InputError
from coral_lock.lockfile.file import MAX_LOCK_BYTES, parse_lock
from coral_lock.lockfile.model import Lock
from coral_lock.repository import Repository
from coral_lock.safe_files import read_regular_file

_AT_A_TIME = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class OldLocks:
    """What was found.

    Attributes:
        locks: by the SHA-256 of their bytes.
        others: the files with a wanted digest that aren't locks which this release reads: a device
            can say any digest, so that is no reason to stop.
    """

    locks: dict[str, Lock] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)


def locks_in_directory(directory: str, wanted: Collection[str]) -> OldLocks:
    """Return the wanted locks among the files of a directory, at any depth.

    Links aren't followed, and what can't be read isn't there.

    Raises:
        InputError: there is no such directory.
    """
    if not os.path.isdir(directory):
        raise InputError(
            "there is no directory of locks", where=directory, hint="name it with `--old-locks DIR`"
        )
    return _found(_files_in(directory), wanted)


def locks_in_history(repository: Repository, path: str, wanted: Collection[str]) -> OldLocks:
    """Return the wanted locks among those that a file of git has ever been.

    Args:
        repository: where the file is.
        path: the file, from the top of the work tree; it is followed through renames.
        wanted: the digests.

    Raises:
        GitError: git can't tell.
    """
    return _found(_blobs_of(repository, path), wanted)


def _found(contents: Iterator[tuple[str, bytes]], wanted: Collection[str]) -> OldLocks:
    found = OldLocks()
    for name, content in contents:
        digest = hashlib.sha256(content).hexdigest()
        if digest not in wanted or digest in found.locks or digest in found.others:
            continue
        try:
            found.locks[digest] = parse_lock(content, name)
        except CoralLockError:
            found.others[digest] = name
        if len(found.locks) + len(found.others) == len(wanted):
            break
    return found


def _files_in(directory: str) -> Iterator[tuple[str, bytes]]:
    for parent, directories, names in os.walk(directory):
        directories.sort()
        for name in sorted(names):
            path = os.path.join(parent, name)
            if os.path.islink(path):
                continue
            try:
                yield path, read_regular_file(path, MAX_LOCK_BYTES)
            except OSError:
                continue


def _blobs_of(repository: Repository, path: str) -> Iterator[tuple[str, bytes]]:
    commits = repository.history(path)
    while batch := list(itertools.islice(commits, _AT_A_TIME)):
        places = [(commit.name, commit.path) for commit in batch]
        for (name, place), content in zip(places, repository.blobs(places)):
            if content is not None:
                yield f"{name[:10]}:{place}", content
