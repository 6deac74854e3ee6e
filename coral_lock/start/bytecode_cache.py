"""A private bytecode cache, since a `__pycache__` beside verified sources proves nothing.

A forged `.pyc` with the source's time and size runs under every default of the
interpreter; one in a directory that only this user can write to isn't forged.
"""

from __future__ import annotations

import errno
import os
import stat
import sys

from coral_lock.errors import InputError

_KEPT_CACHES = 2

NO_CACHE_PREFIX = os.devnull + "/coral-lock"
"""A prefix under which no file can exist: nothing is read, so every start compiles."""


def default_state_directory() -> str:
    """Return `$XDG_STATE_HOME/coral-lock`, by default `~/.local/state/coral-lock`."""
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "coral-lock")


def use_private_cache(state_directory: str, key: str) -> OSError | None:
    """Make this interpreter read and write bytecode in a cache of its own from now on.

    Args:
        state_directory: where caches are kept; made with mode 0700 if absent.
        key: names the cache: the digest of the lock whose plugins it serves.

    Returns:
        None, or why there is no cache and every start will compile: its directory can't be
        written, as `strerror` says.

    Raises:
        InputError: others can write to the cache or to the state directory.
    """
    cache = os.path.join(os.path.abspath(state_directory), "bytecode", key)
    failure = None
    try:
        os.makedirs(os.path.dirname(os.path.dirname(cache)), mode=0o700, exist_ok=True)
        for directory in (os.path.dirname(cache), cache):
            if not os.path.isdir(directory):
                os.makedirs(directory, mode=0o700, exist_ok=True)
                _remove_old_caches(os.path.dirname(cache), keep=key)
        if not os.access(cache, os.W_OK):
            failure = OSError(errno.EACCES, f"`{cache}` can't be written")
    except OSError as error:
        failure = OSError(error.errno, f"`{cache}` can't be made: {error.strerror}")
    if failure is not None:
        use_no_cache()
        return failure
    for directory in (state_directory, os.path.dirname(cache), cache):
        _refuse_shared(directory)
    sys.dont_write_bytecode = False
    sys.pycache_prefix = cache
    return None


def _remove_old_caches(directory: str, keep: str) -> None:
    """Remove the caches of earlier locks but the last two, so that a device doesn't fill up."""
    with os.scandir(directory) as entries:
        ages = sorted(
            (entry.stat(follow_symlinks=False).st_mtime, entry.path)
            for entry in entries
            if entry.name != keep and entry.is_dir(follow_symlinks=False)
        )
    if len(ages) > _KEPT_CACHES:
        import shutil

        for _, path in ages[:-_KEPT_CACHES]:
            shutil.rmtree(path, ignore_errors=True)


def use_no_cache() -> None:
    """Make this interpreter compile every module from its source from now on."""
    sys.dont_write_bytecode = True
    sys.pycache_prefix = NO_CACHE_PREFIX


def _refuse_shared(directory: str) -> None:
    status = os.lstat(directory)
    if stat.S_ISLNK(status.st_mode):
        status = os.stat(directory)
    is_own = not hasattr(os, "geteuid") or status.st_uid in (os.geteuid(), 0)
    if not is_own or (os.name == "posix" and status.st_mode & 0o022):
        raise InputError(
            "others can write to the bytecode cache, so it can't be trusted",
            expected="a directory of this user's, mode 0700",
            found=f"mode {stat.S_IMODE(status.st_mode):04o}, owner {status.st_uid}",
            where=directory,
            hint=f"run `chmod -R go-w {directory}`, or name another with `--state-dir DIR`",
        )
