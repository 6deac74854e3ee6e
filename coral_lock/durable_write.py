"""Writing a file so that it is there whole or not at all, even when power fails."""

from __future__ import annotations

import os

from coral_lock.errors import InputError, WriteError
from coral_lock.safe_read import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_REPLACED_BYTES = 64 << 20


def refuse_to_overwrite(
    path: str, kind: str, is_ours: Callable[[str], bool], elsewhere: str
) -> str | None:
    """Refuse to replace a file that isn't what is about to be written there.

    Args:
        path: the file; there may be none, or one without content.
        kind: what it has to be, with its article.
        is_ours: whether a text is that. What isn't UTF-8 is handed to it escaped.
        elsewhere: how to name another file, for the hint.

    Returns:
        The text that is there, or None where there is no file.

    Raises:
        InputError: it is something else, or can't be read.
    """
    try:
        content = read_regular_file(path, _MAX_REPLACED_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(
            f"`{path}` can't be overwritten: {error.strerror}", where=path, hint=elsewhere
        ) from error
    text = content.decode("utf-8", "surrogateescape")
    if text and not is_ours(text):
        raise InputError(
            f"`{path}` isn't {kind}, so it isn't overwritten",
            where=path,
            hint=f"remove it first, or {elsewhere}",
        )
    return text


def write_durably(path: str, text: str) -> None:
    """Replace the file at `path` by `text`, in UTF-8.

    A temporary file in the same directory is written, synced and renamed over the target,
    and the directory is synced. A link is followed, so that its target is replaced.

    Args:
        path: the file; its permissions are kept where it exists.
        text: the whole content.

    Raises:
        WriteError: it can't be written; what was there is unchanged.
    """
    target = os.path.realpath(path)
    directory = os.path.dirname(target)
    temporary = os.path.join(directory, f".{os.path.basename(target)}.{os.urandom(6).hex()}.tmp")
    try:
        mode = _mode_for(target)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(text.encode("utf-8"))
                file.flush()
                os.fsync(descriptor)
            os.chmod(temporary, mode)
            os.replace(temporary, target)
        except BaseException:
            _remove(temporary)
            raise
        _sync_directory(directory)
    except OSError as error:
        raise WriteError(
            f"`{path}` can't be written: {error.strerror or error}; "
            + ("what was there is unchanged" if os.path.exists(target) else "nothing was written"),
            where=path,
            hint="name a file in a directory that exists"
            if isinstance(error, (FileNotFoundError, NotADirectoryError))
            else "make room, or make its directory writable, and run the command again",
        ) from None


def _mode_for(target: str) -> int:
    try:
        return os.stat(target).st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return


def _sync_directory(directory: str) -> None:
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
