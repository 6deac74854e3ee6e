"""A directory of files that are kept between runs, each of which proves to be whole.

A file is the SHA-256 of all that follows in hexadecimal, a line end, and what is kept. One
that is torn or edited counts as none. The directory may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat

from coral_lock.safe_read import read_regular_file

_LEVELS = ("coral-lock", "wheels", "v4")
"""The last one stands for the form of what is kept, and for what makes a wheel sound."""


def default_cache_base() -> str:
    """Return `$XDG_CACHE_HOME`, by default `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return base if os.path.isabs(base) else os.path.join(os.path.expanduser("~"), ".cache")


class CacheDirectory:
    """The directory `coral-lock/wheels/v4`, made with mode 0700 if absent.

    Args:
        base: the directory in which it lies, `default_cache_base()` by default.

    Attributes:
        problem: why nothing is kept or believed, or None: others can write to it, or it
            can't be made.
    """

    def __init__(self, base: str | None = None) -> None:
        base = base or default_cache_base()
        self._path = os.path.join(base, *_LEVELS)
        self.problem = _make(base)

    def read(self, name: str, limit: int) -> str | None:
        """Return what is kept under a name, or None; more than `limit` bytes count as none."""
        if self.problem is not None:
            return None
        try:
            content = read_regular_file(os.path.join(self._path, name), limit)
        except OSError:
            return None
        checksum, separator, body = content.partition(b"\n")
        if not separator or hashlib.sha256(body).hexdigest().encode("ascii") != checksum:
            return None
        try:
            return body.decode("utf-8")
        except UnicodeDecodeError:
            return None

    def write(self, name: str, text: str) -> None:
        """Keep a text under a name, if that is possible, in the place of what was there."""
        if self.problem is not None:
            return
        # Its import takes as long as what a run without anything new reads from here.
        import tempfile

        try:
            body = text.encode("utf-8")
            descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=self._path)
        except (OSError, UnicodeEncodeError):
            return
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.sha256(body).hexdigest().encode("ascii") + b"\n" + body)
            os.replace(temporary, os.path.join(self._path, name))
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _make(base: str) -> str | None:
    """Make the directories of the cache and return None, or why they can't be made or trusted."""
    directory = base
    try:
        os.makedirs(base, mode=0o700, exist_ok=True)
        for level in _LEVELS:
            directory = os.path.join(directory, level)
            with contextlib.suppress(FileExistsError):
                os.mkdir(directory, mode=0o700)
            if reason := _mistrust(os.lstat(directory)):
                return f"`{directory}` {reason}"
    except OSError as error:
        return f"`{directory}` can't be made: {error.strerror}"
    return None


def _mistrust(status: os.stat_result) -> str | None:
    if not stat.S_ISDIR(status.st_mode):
        return "isn't a directory"
    if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
        return "belongs to another user"
    if os.name == "posix" and status.st_mode & 0o022:
        return "can be written by others"
    return None
