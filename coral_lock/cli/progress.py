"""Progress on standard error, where someone watches."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator

from coral_lock.errors import printable
from coral_lock.inventory import Reporter

_PATIENCE_SECONDS = 0.5
_WIDTH = 79


class TerminalReporter(Reporter):
    """Keeps one line of a terminal up to date, and clears it at the end.

    Hashing that is over in half a second shows nothing. A probe and a download are shown at once,
    as nobody knows how long they will take.
    """

    def __init__(self) -> None:
        self._shown_from = time.monotonic() + _PATIENCE_SECONDS
        self._is_shown = False

    def probing(self, entry_point: str) -> None:
        self._show(f"probing {entry_point} …")

    def hashing(self, distribution: str, done: int, total: int) -> None:
        if time.monotonic() >= self._shown_from:
            self._show(f"hashing {distribution} ({done} of {total})")

    def downloading(self, wheels: str, done: int, total: int) -> None:
        self._show(f"downloading ({done} of {total}) {wheels}")

    def finished(self) -> None:
        if self._is_shown:
            self._write("")
            self._is_shown = False

    def _show(self, text: str) -> None:
        self._is_shown = True
        # It imports all that unpacks archives.
        import shutil

        # A line that wraps can't be cleared as one.
        columns = shutil.get_terminal_size().columns
        self._write(printable(text)[: min(_WIDTH, columns - 1)])

    def _write(self, text: str) -> None:
        # A terminal that was closed doesn't stop the work.
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"\r\033[2K{text}")
            sys.stderr.flush()


@contextlib.contextmanager
def shown_progress() -> Iterator[Reporter]:
    """Give a reporter to work with, which shows progress if standard error is a terminal.

    What it shows is cleared, however the work ends.
    """
    is_watched = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    reporter = TerminalReporter() if is_watched else Reporter()
    try:
        yield reporter
    finally:
        reporter.finished()
