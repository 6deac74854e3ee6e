"""What long work tells while it goes on. The default tells nothing."""

from __future__ import annotations


class Reporter:
    """Told of progress; a command that someone watches overrides the methods."""

    def probing(self, entry_point: str) -> None:
        """A fresh interpreter is about to import this entry point."""

    def hashing(self, distribution: str, done: int, total: int) -> None:
        """The files of `done` distributions of `total` are hashed; this one's come now or last.

        Several threads may call it.
        """

    def finished(self) -> None:
        """The work is done or given up."""
