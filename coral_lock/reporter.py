"""The progress of long work. The default does nothing."""

from __future__ import annotations


class Reporter:
    """Receives progress; a command at a terminal overrides the methods."""

    def probing(self, entry_point: str) -> None:
        """A fresh interpreter is about to import this entry point."""

    def hashing(self, distribution: str, done: int, total: int) -> None:
        """The files of `done` distributions of `total` are hashed, this one the last or the next.

        Several threads may call it.
        """

    def finished(self) -> None:
        """The work has ended."""
