"""The hashes of wheels' files, kept between runs; the cache affects nothing but speed.

It may be deleted at any time, and a command never fails because of it. Its directory holds for
each wheel that was read to the end and found sound a file, named by the SHA-256 of the whole
wheel. It holds nothing that depends on the wheel's name or place, so it can't become stale: other
bytes have another name. Its first line is the SHA-256 of the rest, which is JSON.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
from dataclasses import asdict

from coral_lock.safe_files import read_regular_file
from coral_lock.wheels.contents import WheelContents

_LEVELS = ("coral-lock", "wheels", "v6")
"""The last one is the version of the format, and of what makes a wheel sound."""

MAX_ENTRY_BYTES = 32 << 20


class WheelCache:
    """The cache in `coral-lock/wheels/v6`, a directory that is created with mode 0700.

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

    def load(self, sha256: str) -> WheelContents | None:
        """Return what is known of the wheel with this SHA-256, or None."""
        if self.problem is not None:
            return None
        try:
            content = read_regular_file(os.path.join(self._path, sha256), MAX_ENTRY_BYTES)
            checksum, _, body = content.partition(b"\n")
            if hashlib.sha256(body).hexdigest().encode("ascii") != checksum:
                return None
            stated, fields = json.loads(body)
            contents = WheelContents(**{**fields, "commands": tuple(fields["commands"])})
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None
        return contents if stated == sha256 else None

    def store(self, sha256: str, contents: WheelContents) -> None:
        """Keep what is known of the wheel with this SHA-256, if that is possible."""
        if self.problem is not None:
            return
        body = json.dumps([sha256, asdict(contents)], separators=(",", ":")).encode("ascii")
        try:
            descriptor, temporary = tempfile.mkstemp(prefix=f".{sha256}.", dir=self._path)
        except OSError:
            return
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.sha256(body).hexdigest().encode("ascii") + b"\n" + body)
            os.replace(temporary, os.path.join(self._path, sha256))
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
