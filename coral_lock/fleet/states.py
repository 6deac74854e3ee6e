"""In which state each device of a fleet is, by the reports that were gathered."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from coral_lock.canonical_json import Value
from coral_lock.fleet.gathering import Ledger, gather
from coral_lock.fleet.inventory import FleetInventory
from coral_lock.fleet.last_words import DeviceWords, LastWord, LastWords
from coral_lock.fleet.report import RejectedReportError, Report
from coral_lock.fleet.words import Word, WordReader

HOLDS_STATE = "holds"

STATES: Mapping[str, str] = {
    "disputed": "two reports claim to be its last word",
    "refused": "it refused to start",
    "failed": "a plugin failed, or the start did",
    "deviates": "it differs from the lock",
    "unfinished": "a start began and hasn't ended",
    "missing": "it is in the inventory and never reported",
    "stale": "its last word is too old",
    "unlisted": "it holds, but isn't in the inventory",
    HOLDS_STATE: "it is what was reviewed",
}
"""The states of a device, the reddest first; it is in the first that fits."""

RANKS = {state: rank for rank, state in enumerate(STATES)}


@dataclass(frozen=True, slots=True)
class DeviceState:
    """A device and how it is.

    Attributes:
        device: its id.
        state: a key of `STATES`.
        word: what it said last of what counts, None if it is missing.
        note: what else is to be known of it, or empty.
        is_listed: whether the inventory has it; without an inventory, all are listed.
    """

    device: str
    state: str
    word: Word | None
    note: str = ""
    is_listed: bool = True

    def to_dict(self) -> dict[str, Value]:
        """Return it as a JSON object."""
        word = self.word
        document: dict[str, Value] = {
            "device": self.device,
            "state": self.state,
            "is_listed": self.is_listed,
            "note": self.note,
        }
        if word is None:
            return document
        return {
            **document,
            "age_s": round(word.age),
            "clock": word.clock,
            "sequence": word.sequence,
            "outcome": word.outcome,
            "lock": word.lock,
            "errors": word.errors,
            "warnings": word.warnings,
            "findings": [
                {
                    "code": each.code,
                    "severity": each.severity,
                    "subject": each.subject,
                    "summary": each.summary,
                }
                for each in word.findings
            ],
            "where": str(word.source),
        }


class FleetWords:
    """The last word of each device whose reports were gathered.

    Args:
        paths: files and directories of reports.
        inventory: which devices there should be, None if nobody knows.
        now: the time to which ages are counted, in seconds (Unix).
        keep: is given each report that can be used, as it is read; it can raise
            RejectedReportError for what it can't use.

    Attributes:
        ledger: what was read, and what of it was set aside.
        reader: what made the words.
        words: the words.

    Raises:
        InputError: there is no such file or directory.
    """

    def __init__(
        self,
        paths: Sequence[str],
        inventory: FleetInventory | None,
        now: float,
        keep: Callable[[Report], None] | None = None,
    ) -> None:
        self.ledger = Ledger()
        self.reader = WordReader(now)
        self.words = LastWords()
        self.inventory = inventory
        devices = inventory.devices if inventory else {}
        for report, source in gather(paths, self.ledger, devices):
            try:
                word = self.reader.read(report, source)
                if keep is not None:
                    keep(report)
            except RejectedReportError as error:
                self.ledger.set_aside(source, error.kind, error.reason)
                continue
            self.words.add(word)
            if self.reader.is_full:
                self.reader.keep_only(self.words.all())

    def devices(self) -> Iterator[DeviceWords]:
        """Yield the last words of each device, in the order of their ids.

        What contradicts them is set aside.
        """
        for words in self.words.devices():
            for last in words:
                if last is not None and last.contradicted_by is not None:
                    reason = (
                        f"report {last.word.sequence} of `{last.word.device}` is another one in "
                        f"{last.word.source}"
                    )
                    self.ledger.set_aside(last.contradicted_by.source, "contradicting", reason)
            yield words


def states_of(fleet: FleetWords, stale_after: float) -> Iterator[DeviceState]:
    """Yield the state of each device, those that are missing at the end.

    Args:
        fleet: what its devices said last.
        stale_after: from which age on a last word is too old, in seconds.
    """
    inventory = fleet.inventory
    seen = set()
    for words in fleet.devices():
        last, state, notes = _counting(words, stale_after)
        word = last.word
        seen.add(word.device)
        is_listed = inventory is None or word.device in inventory.hosts
        if not is_listed:
            state = "unlisted" if state == HOLDS_STATE else state
            notes += ["not in the inventory"] if state != "unlisted" else []
        yield DeviceState(word.device, state, word, ", ".join(notes), is_listed)
    for host, device in inventory.devices.items() if inventory else ():
        if device not in seen:
            count = fleet.ledger.stems[host]
            note = f"{count} of its reports set aside" if count else ""
            yield DeviceState(device, "missing", None, note)


def _counting(words: DeviceWords, stale_after: float) -> tuple[LastWord, str, list[str]]:
    """Return which last word of a device counts, the state that it means, and what to note.

    It is the worse one of its last start and its last `verify`. But a start that holds has checked
    what a `verify` before it complained of.
    """
    last, other = words
    state, notes = _state(last, stale_after), []
    has_started = not last.word.is_verification and state in (HOLDS_STATE, "stale")
    if other is not None and not has_started:
        state_of_other = _state(other, stale_after=math.inf)
        if RANKS[state_of_other] < RANKS[state]:
            if state in (HOLDS_STATE, "stale"):
                notes.append("a later `verify` held")
            last, state = other, state_of_other
    if last.is_renumbered:
        notes.append("its numbering began again")
    if last.contradicted_by is not None:
        notes.append(f"contradicted by {last.contradicted_by.source}")
    return last, state, notes


def _state(last: LastWord, stale_after: float) -> str:
    word = last.word
    if last.contradicted_by is not None:
        return "disputed"
    if word.outcome in STATES and word.outcome not in ("unfinished", HOLDS_STATE):
        return word.outcome
    if word.errors:
        return "deviates"
    if word.outcome == "unfinished":
        return "unfinished"
    return "stale" if word.age > stale_after else HOLDS_STATE
