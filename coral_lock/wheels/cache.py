"""What was found in wheels, kept between runs; the cache affects nothing but speed.

It may be deleted at any time, and a command never fails because of it. Its directory holds

- for each wheel that was read to the end and found sound a file, named by the SHA-256 of the
  whole wheel. It holds nothing that depends on the wheel's name or place, so it can't become
  stale: other bytes have another name;
- the file `files`, with the SHA-256 of files by their identity.

A file starts with a line with the SHA-256 of the rest, which is JSON.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from dataclasses import dataclass
from typing import Any

from coral_lock.inventory import Distribution, EntryPoint
from coral_lock.safe_files import FileIdentity, read_regular_file
from coral_lock.wheels.contents import WheelContents

_LEVELS = ("coral-lock", "wheels", "v5")
"""The last one is the version of the format, and of what makes a wheel sound."""

FILES = "files"
MAX_FILES = 20_000
MAX_ENTRY_BYTES = 32 << 20
SETTLED_NANOSECONDS = 2_000_000_000
"""How old a change has to be; the coarsest clock, that of FAT, ticks every two seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownWheel:
    """What is known of a wheel's bytes.

    Args:
        dist_info: the name of its dist-info directory.
        distribution: what it says of itself, without a location.
        contents: the hashes of its files.
    """

    dist_info: str
    distribution: Distribution
    contents: WheelContents


class WheelCache:
    """The cache in `coral-lock/wheels/v5`, a directory that is created with mode 0700.

    Args:
        base: the parent directory, `$XDG_CACHE_HOME` or `~/.cache` by default.

    Attributes:
        problem: why nothing is kept or believed, or None: others can write to the directory,
            or it can't be created.
    """

    def __init__(self, base: str | None = None) -> None:
        base = base or default_cache_base()
        self._path = os.path.join(base, *_LEVELS)
        self.problem = _make_directory(base)
        self._has_new_files = False
        known = self._read(FILES)
        self._files: dict[str, str] = known if isinstance(known, dict) else {}

    def sha256(self, identity: FileIdentity) -> str | None:
        """Return the SHA-256 of the file with this identity, or None."""
        return self._files.get(_key(identity))

    def add_file(self, identity: FileIdentity, sha256: str, now: int) -> None:
        """Keep the SHA-256 of a file until `save`, if its identity identifies its bytes.

        Args:
            identity: the file's.
            sha256: that of its bytes.
            now: the time, in nanoseconds since the epoch, before they were read.
        """
        if is_lasting(identity, now):
            self._files[_key(identity)] = sha256
            self._has_new_files = True

    def save(self) -> None:
        """Write the SHA-256 of the last 20,000 files, if any was added."""
        if self._has_new_files:
            self._has_new_files = False
            self._write(FILES, dict(list(self._files.items())[-MAX_FILES:]))

    def load(self, sha256: str) -> KnownWheel | None:
        """Return what is known of the wheel with this SHA-256, or None."""
        try:
            stated, dist_info, distribution, entry_points, contents = self._read(sha256)
            known = KnownWheel(
                dist_info=dist_info,
                distribution=Distribution(
                    name=distribution["name"],
                    version=distribution["version"],
                    requires=tuple(distribution["requires"]),
                    requires_python=distribution["requires_python"],
                    entry_points=tuple(EntryPoint(**each) for each in entry_points),
                    location="",
                ),
                contents=WheelContents(**{**contents, "commands": tuple(contents["commands"])}),
            )
        except (TypeError, ValueError, KeyError):
            return None
        return known if stated == sha256 else None

    def store(self, sha256: str, known: KnownWheel) -> None:
        """Keep what is known of the wheel with this SHA-256, if that is possible."""
        distribution, contents = known.distribution, known.contents
        self._write(
            sha256,
            [
                sha256,
                known.dist_info,
                {
                    "name": distribution.name,
                    "version": distribution.version,
                    "requires": distribution.requires,
                    "requires_python": distribution.requires_python,
                },
                [
                    {"group": each.group, "name": each.name, "value": each.value}
                    for each in distribution.entry_points
                ],
                {
                    "tag": contents.tag,
                    "digest": contents.digest,
                    "files": contents.files,
                    "outside": contents.outside,
                    "commands": contents.commands,
                },
            ],
        )

    def _read(self, name: str) -> Any:
        """Return what is kept under a name; None if nothing is, or the file is damaged."""
        if self.problem is not None:
            return None
        try:
            content = read_regular_file(os.path.join(self._path, name), MAX_ENTRY_BYTES)
            checksum, _, body = content.partition(b"\n")
            is_sound = hashlib.sha256(body).hexdigest().encode("ascii") == checksum
            return json.loads(body) if is_sound else None
        except (OSError, ValueError, RecursionError):
            return None

    def _write(self, name: str, value: object) -> None:
        """Keep a value under a name, if that is possible."""
        if self.problem is not None:
            return
        # Its import takes as long as a run reads from here that finds nothing new.
        import tempfile

        body = json.dumps(value, separators=(",", ":")).encode("ascii")
        try:
            descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=self._path)
        except OSError:
            return
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.sha256(body).hexdigest().encode("ascii") + b"\n" + body)
            os.replace(temporary, os.path.join(self._path, name))
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def default_cache_base() -> str:
    """Return `$XDG_CACHE_HOME`, by default `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return base if os.path.isabs(base) else os.path.join(os.path.expanduser("~"), ".cache")


def _make_directory(base: str) -> str | None:
    """Create the directories of the cache; return why they can't be created or trusted."""
    directory = base
    try:
        os.makedirs(base, mode=0o700, exist_ok=True)
        for level in _LEVELS:
            directory = os.path.join(directory, level)
            with contextlib.suppress(FileExistsError):
                os.mkdir(directory, mode=0o700)
            status = os.lstat(directory)
            if not stat.S_ISDIR(status.st_mode):
                return f"`{directory}` isn't a directory"
            if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
                return f"`{directory}` belongs to another user"
            if os.name == "posix" and status.st_mode & 0o022:
                return f"`{directory}` is writable by others"
    except OSError as error:
        return f"`{directory}` can't be created: {error.strerror}"
    return None


def is_lasting(identity: FileIdentity, now: int) -> bool:
    """Whether an identity that was read at a time identifies the bytes in a later run.

    Not on Windows, where the last of the times is that of the file's creation, and not on a
    file system without inodes.
    """
    _, inode, _, modified, changed = identity
    newest = max(modified, changed)
    return os.name != "nt" and inode != 0 and newest <= now - SETTLED_NANOSECONDS


def _key(identity: FileIdentity) -> str:
    return " ".join(map(str, identity))
