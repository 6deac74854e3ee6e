"""Progress on standard error, where someone watches."""

from __future__ import annotations

import os
import sys

from coral_lock.reporter import Reporter

_MINIMUM_SHOWN = 30


class TerminalReporter(Reporter):
    """Keeps one line of a terminal up to date, and clears it at the end."""

    def probing(self, entry_point: str) -> None:
        self._show(f"probing {entry_point} …")

    def hashing(self, distribution: str, done: int, total: int) -> None:
        if total >= _MINIMUM_SHOWN:
            self._show(f"hashing {done + 1}/{total} {distribution}")

    def finished(self) -> None:
        self._show("")

    def _show(self, text: str) -> None:
        sys.stderr.write(f"\r\033[2K{text[:79]}")
        sys.stderr.flush()


def terminal_reporter() -> Reporter:
    """Return a reporter that shows progress, if standard error is a terminal."""
    is_watched = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return TerminalReporter() if is_watched else Reporter()
