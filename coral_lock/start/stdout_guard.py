"""Keeps standard output for one document, whatever Python or C code prints meanwhile."""

from __future__ import annotations

import errno
import os
import sys
from os import _exit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class StdoutGuard:
    """From construction on, everything printed to standard output goes to standard error.

    The redirection is one of file descriptors, so that it holds for C code and for child
    processes too.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self._streams = {name: getattr(sys, name) for name in ("stdout", "stderr")}
        _flush()
        try:
            self._saved: int | None = duplicate_out_of_the_way(1)
        except OSError:
            self._saved = None
        try:
            os.dup2(2, 1)
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            if null != 1:
                os.dup2(null, 1)
                os.close(null)

    def write_document(self, text: str) -> None:
        """Write to the real standard output; where it is closed, nobody wants to read it.

        A fork of this process, which a plugin may make, writes nothing.

        Raises:
            OSError: it can't be written, e.g. since its reader is gone.
        """
        if self._saved is None or os.getpid() != self._process:
            return
        content = text.encode("utf-8", "backslashreplace")
        while content:
            content = content[os.write(self._saved, content) :]

    def release(self) -> None:
        """Give standard output back to everyone, and streams that nobody can write to."""
        for name, stream in self._streams.items():
            if not _is_stream(getattr(sys, name, None)):
                setattr(sys, name, stream)
        _flush()
        if self._saved is None:
            os.close(1)
        else:
            os.dup2(self._saved, 1)
            os.close(self._saved)


def leave_process(exit_code: int) -> NoReturn:
    """End this process whatever its program catches, and lose nothing that it has printed."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            continue
    _exit(exit_code)


def duplicate_out_of_the_way(descriptor: int) -> int:
    """Duplicate a descriptor to a high number, which isn't inherited.

    The low ones are those that programs write to by number, and the lowest may be the place of
    a standard stream that is closed.
    """
    import fcntl

    for lowest in (1000, 200):
        try:
            return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, lowest)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EMFILE):
                raise
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)


def _is_stream(stream: object) -> bool:
    try:
        return callable(stream.flush) and callable(stream.write)  # type: ignore[attr-defined]
    except BaseException:
        return False


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()
