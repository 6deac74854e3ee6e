"""Which report of a device is its last word, and how old that is.

A device's clock may be wrong, so its reports are numbered, and the later number is the later word.
A report that is written again keeps its number. Starts and `verify` are two kinds, each with a last
word, since a `verify` that holds doesn't show that the device starts.

The age of a report is taken from three clocks: the device's, the one that nobody sets (`age_s`),
and where the first can't be right, from when the file was gathered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NamedTuple

from coral_lock.errors import shortened
from coral_lock.fleet.gathering import Source
from coral_lock.fleet.report import RejectedReportError, Report

CLOCK_RIGHT = "right"
CLOCK_AHEAD = "ahead"
CLOCK_BEHIND = "behind"
CLOCK_CONTRADICTS = "contradicts"

_TOLERANCE_S = 300.0
"""By how much two clocks may differ before one of them is called wrong."""

_EARLIEST = datetime(2025, 1, 1, tzinfo=timezone.utc).timestamp()
"""No report is older than its format: a clock that says so has lost the time."""

_MAX_AGE_S = 100 * 365 * 86_400.0
"""More than any device runs."""

_BROKEN = frozenset({"failed", "refused"})
"""The statuses of plugins that are to blame; others weren't run, or aren't for the platform."""

_MAX_FINDINGS = 16
_MAX_PLUGINS = 16
_MAX_SUBJECT = 256
_MAX_SUMMARY = 160
_MAX_KEPT = 500_000
"""From so many different texts on, which no fleet has, a finding of each report is kept."""

_SWEEP_AT = 1 << 15
"""From so many different texts on, those are forgotten that no last word has any more."""


class Acceptance(NamedTuple):
    """Under which signatures a device has accepted a lock."""

    channel: str
    serial: int
    rollback: str | None


class WordFinding(NamedTuple):
    """What a finding is about, and what it says; errors come before warnings."""

    severity: str
    code: str
    subject: str
    summary: str


@dataclass(frozen=True, slots=True)
class Word:
    """What a report says, as far as the questions to a fleet need it.

    Attributes:
        sequence: the number of the report.
        start: the boot, the time and the command by which a start is known again.
        written: when it was written by the device's clock, in seconds (Unix).
        uptime: seconds from the boot to then, None where nobody knows.
        finished: when the start ended, as the report has it.
        age: how many seconds ago it was written.
        clock: whether the device's clock can be right: one of the constants `CLOCK_…`.
        lock: the SHA-256 of the lock, None where it couldn't be read.
        findings: what the findings are about, each once; at most 16 of them.
        plugins: the plugins that failed or were refused, with their status; at most 16.
    """

    device: str
    sequence: int
    start: tuple[str | None, str, str]
    written: float
    uptime: float | None
    finished: str | None
    is_current_boot: bool
    age: float
    clock: str
    outcome: str
    lock: str | None
    acceptance: Acceptance | None
    target: str | None
    python: str
    platform: str
    hosts: tuple[tuple[str, str] | None, tuple[str, str] | None]
    errors: int
    warnings: int
    findings: tuple[WordFinding, ...]
    plugins: tuple[tuple[str, str], ...]
    source: Source

    @property
    def is_verification(self) -> bool:
        """Whether it is a word of `verify`, and not of a start."""
        return self.start[2] == "verify"

    @property
    def progress(self) -> tuple[bool, float, str]:
        """How far a report is that was written again under the same number, until it is finished.

        Whoever copies a report can't make it later than what the device wrote at the end.
        """
        uptime = -1.0 if self.uptime is None else self.uptime
        return self.finished is not None, uptime, self.finished or ""

    @property
    def substance(self) -> tuple[object, ...]:
        """What two reports of the same moment agree in."""
        return (
            *(self.outcome, self.lock, self.acceptance, self.target, self.python, self.platform),
            *(self.hosts, self.errors, self.warnings, self.findings, self.plugins),
        )


class WordReader:
    """Makes words of reports; equal parts of them are kept once.

    Args:
        now: the time to which ages are counted, in seconds (Unix).
    """

    def __init__(self, now: float) -> None:
        self._now = now
        self._kept: dict[Any, Any] = {}
        self._sweep_at = _SWEEP_AT
        self._providers: dict[str, set[str]] = {}

    @property
    def is_full(self) -> bool:
        """Whether it is time to forget what isn't needed."""
        return len(self._kept) >= self._sweep_at

    def keep_only(self, words: Iterable[Word]) -> None:
        """Forget the parts that none of these words has."""
        self._kept.clear()
        for word in words:
            for part in (*word.findings, word.findings, word.plugins, word.lock, word.hosts):
                self._keep(part)
        self._sweep_at = max(_SWEEP_AT, 2 * len(self._kept))

    def plugins_of(self, distribution: str) -> tuple[str, ...]:
        """Return the plugins that come from a distribution, as far as reports have said so."""
        return tuple(sorted(self._providers.get(distribution, ())))

    def read(self, report: Report, source: Source) -> Word:
        """Return what a report says.

        Raises:
            RejectedReportError: its times can't be, or it is from the future.
        """
        started, finished = _seconds(report["started"]), report["finished"]
        written = started if finished is None else _seconds(finished)
        age, clock = self._age(written, report["age_s"], source)
        lock, machine, host, keep = report["lock"], report["machine"], report["host"], self._keep
        accepted, totals = lock["accepted"], report["findings_total"]
        findings = self._findings(report)
        return Word(
            device=report["device"],
            sequence=report["sequence"],
            start=(report["boot"], report["started"], keep(report["command"])),
            written=written,
            uptime=report["uptime_s"],
            finished=finished,
            is_current_boot=report["age_s"] is not None,
            age=age,
            clock=clock,
            outcome=keep(report["outcome"]),
            lock=keep(lock["sha256"]),
            acceptance=accepted
            and keep(Acceptance(accepted["channel"], accepted["serial"], accepted["rollback"])),
            target=keep(lock["target"]),
            python=keep(machine["python"]),
            platform=keep(machine["platform"]),
            hosts=keep((_package(host["core"]), _package(host["inference"]))),
            errors=max(totals["error"], sum(each.severity == "error" for each in findings)),
            warnings=totals["warning"],
            findings=findings,
            plugins=self._plugins(report["plugins"]),
            source=source,
        )

    def _age(self, written: float, age_s: float | None, source: Source) -> tuple[float, str]:
        """Return how old a report is, and what is wrong with the device's clock.

        Raises:
            RejectedReportError: only a clock that is ahead tells how old it is.
        """
        age_s = age_s and min(age_s, _MAX_AGE_S)
        by_clock = self._now - written
        if by_clock < -_TOLERANCE_S:
            clock = CLOCK_AHEAD
            if age_s is None:
                raise RejectedReportError("future", f"it was written {-by_clock:,.0f} s from now")
        elif written < _EARLIEST:
            clock = CLOCK_BEHIND
        elif age_s is not None and by_clock < age_s - _TOLERANCE_S:
            clock = CLOCK_CONTRADICTS
        else:
            return max(by_clock, age_s or 0.0, 0.0), CLOCK_RIGHT
        return max(self._now - source.modified, 0.0) + (age_s or 0.0), clock

    def _findings(self, report: Report) -> tuple[WordFinding, ...]:
        if not report["findings"]:
            return ()
        found: dict[tuple[str, str, str], str] = {}
        for each in report["findings"]:
            subject = shortened(each["subject"], _MAX_SUBJECT)
            key = each["severity"], each["code"], subject
            found.setdefault(key, shortened(each["summary"], _MAX_SUMMARY))
        limit = _MAX_FINDINGS if len(self._kept) < _MAX_KEPT else 1
        kept = [self._keep(WordFinding(*key, found[key])) for key in sorted(found)[:limit]]
        return self._keep(tuple(kept))  # type: ignore[no-any-return]

    def _plugins(self, plugins: list[dict[str, Any]]) -> tuple[tuple[str, str], ...]:
        broken: list[tuple[str, str]] = []
        for each in plugins:
            identifier, distribution = each["id"], each["distribution"]
            provided = self._providers.get(distribution)
            if provided is None:
                if len(self._providers) < 10_000:
                    self._providers[distribution] = {identifier}
            elif len(provided) < _MAX_PLUGINS:
                provided.add(identifier)
            if each["status"] in _BROKEN and len(broken) < _MAX_PLUGINS:
                broken.append((identifier, each["status"]))
        return self._keep(tuple(broken)) if broken else ()

    def _keep(self, value: Any) -> Any:
        return self._kept.setdefault(value, value)


def _package(package: dict[str, str] | None) -> tuple[str, str] | None:
    return (package["distribution"], package["version"]) if package else None


def _seconds(text: str) -> float:
    """Return a time of a report in seconds (Unix).

    Raises:
        RejectedReportError: there is no such day or hour.
    """
    try:
        return datetime.fromisoformat(f"{text[:-1]}+00:00").timestamp()
    except ValueError:
        raise RejectedReportError("invalid", f"there is no time {text}") from None


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
        and latest.written > best.written + _TOLERANCE_S
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
