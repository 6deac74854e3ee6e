"""Which reports of a device are its last words.

A device's clock may be wrong, so its reports are numbered, and the later number is the later word.
A report that is written again keeps its number. Starts and `verify` are two kinds, each with a last
word, since a `verify` that holds doesn't show that the device starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from coral_lock.fleet.words import CLOCK_RIGHT, TOLERANCE_S, Word


class _Track:
    """What one device has said so far with one kind of report.

    `best` has the highest number. `other_start` and `other_content` are words that have its number
    and contradict it: another start, or the same moment of the same start. `latest` started last
    by a clock that can be right.
    """

    __slots__ = ("best", "latest", "other_content", "other_start")

    def __init__(self, word: Word) -> None:
        self.best = word
        self.other_start: Word | None = None
        self.other_content: Word | None = None
        self.latest = word if word.clock == CLOCK_RIGHT else None

    def last(self) -> LastWord:
        if self.latest is not None and _counts_from_one(self.latest, self.best):
            return LastWord(self.latest, None, True)
        return LastWord(self.best, self.other_start or self.other_content, False)


class LastWord(NamedTuple):
    """The last word of one kind, the one that contradicts it, and whether numbering began again."""

    word: Word
    contradicted_by: Word | None
    is_renumbered: bool


class DeviceWords(NamedTuple):
    """The last word of a device, and the last one of the other kind, if it still counts."""

    last: LastWord
    other: LastWord | None


class LastWords:
    """Keeps of each device what it said last; the order in which reports come doesn't matter.

    Attributes:
        duplicates: how many reports said what another one had said.
        superseded: how many were followed by a later one of their kind.
    """

    def __init__(self) -> None:
        self.duplicates = 0
        self.superseded = 0
        self._starts: dict[str, _Track] = {}
        self._verifications: dict[str, _Track] = {}

    def add(self, word: Word) -> None:
        """Take a word of any device into account."""
        tracks = self._verifications if word.is_verification else self._starts
        track = tracks.get(word.device)
        if track is None:
            tracks[word.device] = _Track(word)
            return
        if word.clock == CLOCK_RIGHT and (
            track.latest is None or _started_later(word, track.latest)
        ):
            track.latest = word
        best = track.best
        earlier, later = (best, word) if _is_later(word, best) else (word, best)
        track.best = later
        if word.sequence != best.sequence:
            self.superseded += 1
            if later is word:
                track.other_start = track.other_content = None
        elif word.start != best.start:
            track.other_content = None if later is word else track.other_content
            track.other_start = earlier
        elif word.progress != best.progress and not _contradict(word, best):
            self.superseded += 1
            if later is word and best.finished is None:
                track.other_content = None
        elif word.substance == best.substance:
            self.duplicates += 1
        else:
            track.other_content = earlier

    def all(self) -> Iterator[Word]:
        """Yield every word that is kept."""
        for tracks in (self._starts, self._verifications):
            for track in tracks.values():
                words = track.best, track.latest, track.other_start, track.other_content
                yield from filter(None, words)

    def devices(self) -> Iterator[DeviceWords]:
        """Yield the last words of each device, in the order of their ids."""
        for device in sorted({*self._starts, *self._verifications}):
            tracks = self._starts.get(device), self._verifications.get(device)
            found = [track.last() for track in tracks if track is not None]
            yield DeviceWords(found[0], None) if len(found) == 1 else _in_order(*found)


def _in_order(start: LastWord, verification: LastWord) -> DeviceWords:
    """Return the last words of both kinds, the later one first."""
    earlier, later = start, verification
    if _is_later(start.word, verification.word):
        earlier, later = verification, start
    if _counts_from_one(earlier.word, later.word):
        # What a device said before it was set up again is the past of another installation.
        return DeviceWords(LastWord(earlier.word, earlier.contradicted_by, True), None)
    if earlier.word.sequence == later.word.sequence:
        later = later._replace(contradicted_by=later.contradicted_by or earlier.word)
        return DeviceWords(later, None)
    return DeviceWords(later, earlier)


def _counts_from_one(latest: Word, best: Word) -> bool:
    """Whether a device was set up again since it wrote `best`, which has the higher number."""
    return (
        latest.clock == best.clock == CLOCK_RIGHT
        and latest.sequence < best.sequence
        and latest.start[0] != best.start[0]
        and latest.start[1] > best.start[1]
        and latest.is_current_boot >= best.is_current_boot
        and latest.written > best.written + TOLERANCE_S
    )


def _contradict(word: Word, other: Word) -> bool:
    """Whether two reports of a start say that it has ended, and differently."""
    return bool(word.finished and other.finished) and word.substance != other.substance


def _is_later(word: Word, other: Word) -> bool:
    """Whether a word counts rather than another one of its device.

    Of two that say the same, the older one counts, as it was known sooner. Where nothing tells
    which is later, the choice is arbitrary, and the same whichever comes first.
    """
    if word.sequence != other.sequence:
        return word.sequence > other.sequence
    if word.start != other.start:
        return _start_order(word) > _start_order(other)
    if word.progress != other.progress:
        return word.progress > other.progress
    if word.substance != other.substance:
        return repr(word.substance) > repr(other.substance)
    ages = word.age, word.is_current_boot, word.clock
    other_ages = other.age, other.is_current_boot, other.clock
    return ages > other_ages if ages != other_ages else str(word.source) < str(other.source)


def _started_later(word: Word, other: Word) -> bool:
    times = word.start[1], word.written
    other_times = other.start[1], other.written
    return times > other_times if times != other_times else _is_later(word, other)


def _start_order(word: Word) -> tuple[str, str, str]:
    boot, started, command = word.start
    return started, boot or "", command
