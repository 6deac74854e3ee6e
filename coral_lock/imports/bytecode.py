"""Bytecode kept by the hash of its source, in a directory that only this user can write to.

A `__pycache__` beside verified sources proves nothing: a forged `.pyc` with the source's
time and size runs under every default of the interpreter. Here an entry is found by what the
source is, so neither another lock nor equal times and sizes bring old code back.
"""

from __future__ import annotations

import _imp
import errno
import marshal
import os
import stat
import sys
import time
from importlib._bootstrap_external import MAGIC_NUMBER

from coral_lock.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

_HEADER = b"coral-lock 1\n"
_HASH_DIGITS = 64
_DAY = 86_400
_MAX_AGE = 90 * _DAY
_MAX_BYTES = 1 << 30
_SWEPT = "swept"


def default_state_directory() -> str:
    """Return `$XDG_STATE_HOME/coral-lock`, by default `~/.local/state/coral-lock`."""
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "coral-lock")


def prepare_cache(state_directory: str) -> tuple[str | None, OSError | None]:
    """Make the bytecode cache in a state directory, with mode 0700 where it is absent.

    Returns:
        The cache's directory, or None and, in `strerror`, why there is none, so that every
        start compiles.

    Raises:
        InputError: others can write to the cache or to the state directory.
    """
    state = os.path.abspath(state_directory)
    cache = os.path.join(state, "bytecode")
    try:
        os.makedirs(state, mode=0o700, exist_ok=True)
        os.makedirs(cache, mode=0o700, exist_ok=True)
        for directory in (state, cache):
            _refuse_shared(directory)
        if not os.access(cache, os.W_OK):
            return None, OSError(errno.EACCES, f"`{cache}` can't be written")
        _sweep_daily(cache)
    except OSError as error:
        return None, OSError(error.errno, f"`{cache}` can't be made: {error.strerror}")
    return cache, None


def _refuse_shared(directory: str) -> None:
    status = os.stat(directory)
    is_own = not hasattr(os, "geteuid") or status.st_uid in (os.geteuid(), 0)
    if not is_own or (os.name == "posix" and status.st_mode & 0o022):
        hint = "name a directory of your own with `--state-dir DIR`"
        if status.st_uid == os.geteuid() and not status.st_mode & stat.S_ISVTX:
            hint = f"run `chmod -R go-w {directory}`, or {hint}"
        raise InputError(
            "others can write to the bytecode cache, so it can't be trusted",
            expected="a directory of this user's, mode 0700",
            found=f"mode {stat.S_IMODE(status.st_mode):04o}, owner {status.st_uid}",
            where=directory,
            hint=hint,
        )


class BytecodeCache:
    """The bytecode of one interpreter, by the SHA-256 of the source.

    Args:
        directory: what `prepare_cache` returned, or None to compile everything.
    """

    def __init__(self, directory: str | None) -> None:
        self._directory = directory
        tag = sys.implementation.cache_tag or sys.implementation.name
        magic = int.from_bytes(MAGIC_NUMBER[:2], "little")
        self._suffix = f".{tag}-{magic}-{sys.flags.optimize}"

    def load(self, digest: str, path: str) -> CodeType | None:
        """Return the code of the source with that hash, as if it had been compiled from `path`.

        None stands for an entry that is absent or damaged.
        """
        if self._directory is None:
            return None
        place = f"{self._directory}/{digest}{self._suffix}"
        try:
            descriptor = os.open(place, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError:
            return None
        try:
            status = os.fstat(descriptor)
            content = os.read(descriptor, status.st_size)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        header = _header(digest, len(content) - _HEADER_BYTES)
        if len(content) <= _HEADER_BYTES or content[:_HEADER_BYTES] != header:
            return None
        if time.time() - status.st_mtime > _MAX_AGE / 3:
            _mark_as_used(place)
        try:
            code: CodeType = marshal.loads(memoryview(content)[_HEADER_BYTES:])
        except (EOFError, TypeError, ValueError):
            return None
        # Equal sources share an entry, so it may have the name of another file.
        _imp._fix_co_filename(code, path)  # type: ignore[attr-defined]
        return code

    def store(self, digest: str, code: CodeType) -> None:
        """Keep the code of the source with that hash; one that can't be kept is no error."""
        if self._directory is None:
            return
        place = f"{self._directory}/{digest}{self._suffix}"
        temporary = f"{place}.{os.getpid()}"
        content = marshal.dumps(code)
        try:
            descriptor = os.open(
                temporary,
                os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0),
                0o600,
            )
            try:
                with open(descriptor, "wb", buffering=0) as file:
                    file.write(_header(digest, len(content)) + content)
                os.replace(temporary, place)
            except OSError:
                os.unlink(temporary)
        except OSError:
            return


def _header(digest: str, size: int) -> bytes:
    return b"%s%s\n%20d\n" % (_HEADER, digest.encode("ascii"), size)


_HEADER_BYTES = len(_header("0" * _HASH_DIGITS, 0))


def _mark_as_used(place: str) -> None:
    try:
        os.utime(place)
    except OSError:
        return


def _sweep_daily(cache: str) -> None:
    """Remove what hasn't been used for months, and the oldest of what is too much."""
    marker = os.path.join(cache, _SWEPT)
    now = time.time()
    try:
        if now - os.stat(marker).st_mtime < _DAY:
            return
    except FileNotFoundError:
        pass
    # It is neither emptied nor followed: whoever names a state directory may have such a file.
    descriptor = os.open(marker, os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    os.close(descriptor)
    os.utime(marker)
    entries = []
    with os.scandir(cache) as found:
        for entry in found:
            if _is_ours(entry):
                status = entry.stat(follow_symlinks=False)
                entries.append((status.st_mtime, status.st_size, entry.path))
    left = sum(size for _, size, _ in entries)
    for used, size, path in sorted(entries):
        is_leftover = "." in os.path.basename(path)[_HASH_DIGITS + 1 :].partition("-")[2]
        if now - used > (_DAY if is_leftover else _MAX_AGE) or left > _MAX_BYTES:
            os.unlink(path)
            left -= size


def _is_ours(entry: os.DirEntry[str]) -> bool:
    """Whether a file is an entry of the cache, or what a writer left that was interrupted."""
    digest, _, rest = entry.name.partition(".")
    return (
        len(digest) == _HASH_DIGITS
        and set(digest) <= set("0123456789abcdef")
        and rest.count("-") >= 2
        and entry.is_file(follow_symlinks=False)
        and _begins_like_ours(entry.path)
    )


def _begins_like_ours(path: str) -> bool:
    with open(path, "rb", buffering=0) as file:
        return file.read(len(_HEADER)) in (_HEADER, b"")
