"""What reports say, as far as the questions to a fleet need it, and how old that is.

The age of a report is taken from three clocks: the device's, the one that nobody sets (`age_s`),
and where the first can't be right, from when the file was gathered.
"""

from __future__ import annotations

from collections.abc import Iterable
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

TOLERANCE_S = 300.0
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
        if by_clock < -TOLERANCE_S:
            clock = CLOCK_AHEAD
            if age_s is None:
                raise RejectedReportError("future", f"it was written {-by_clock:,.0f} s from now")
        elif written < _EARLIEST:
            clock = CLOCK_BEHIND
        elif age_s is not None and by_clock < age_s - TOLERANCE_S:
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
