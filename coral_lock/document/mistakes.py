"""Gathering the mistakes of a document, so that all are told at once."""

from __future__ import annotations

from coral_lock.errors import InputError
from coral_lock.printable import shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from coral_lock.document.node import Place

_LONGEST_NAME = 100
_LONGEST_MESSAGE = 400


class Mistakes:
    """The mistakes and warnings of one source."""

    def __init__(self) -> None:
        self._mistakes: list[tuple[int, int, InputError]] = []
        self.warnings: list[str] = []

    def add(
        self,
        place: Place,
        message: str,
        *,
        expected: str | None = None,
        found: str | None = None,
        hint: str | None = None,
    ) -> None:
        """Put a mistake at `place` on record."""
        message = shortened(message, _LONGEST_MESSAGE)
        error = InputError(message, expected=expected, found=found, where=str(place), hint=hint)
        self._mistakes.append((place.line, place.column, error))

    def warn(self, text: str) -> None:
        """Put a warning on record: one sentence without a final period."""
        self.warnings.append(text)

    def in_order(self) -> list[InputError]:
        """Return the mistakes by their position in the source."""
        return [error for *_, error in sorted(self._mistakes, key=lambda entry: entry[:2])]


def nearest(name: str, known: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """Return the known name that `name` may be a misspelling of, or None.

    `likeness` is between 0, for anything at all, and 1, for the same name.
    """
    by_lower_case = {candidate.lower(): candidate for candidate in known}
    if len(name) > _LONGEST_NAME or not by_lower_case:
        return None
    from difflib import get_close_matches

    matches = get_close_matches(name.lower(), list(by_lower_case), n=1, cutoff=likeness)
    return by_lower_case[matches[0]] if matches else None
