"""Keeps standard output for one document, whatever Python or C code prints meanwhile."""

from __future__ import annotations

import os
import sys


class StdoutGuard:
    """From construction on, everything printed to standard output goes to standard error.

    The redirection is one of file descriptors, so that it holds for C code and for child
    processes too.
    """

    def __init__(self) -> None:
        _flush()
        try:
            self._saved: int | None = _duplicate_above_standard_streams(1)
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

        Raises:
            OSError: it can't be written, e.g. since its reader is gone.
        """
        if self._saved is None:
            return
        content = text.encode("utf-8", "backslashreplace")
        while content:
            content = content[os.write(self._saved, content) :]

    def release(self) -> None:
        """Give standard output back to everyone."""
        _flush()
        if self._saved is None:
            os.close(1)
        else:
            os.dup2(self._saved, 1)
            os.close(self._saved)


def _duplicate_above_standard_streams(descriptor: int) -> int:
    """Duplicate a descriptor, but not to the place of a standard stream that is closed."""
    try:
        import fcntl
    except ImportError:
        return os.dup(descriptor)
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()
