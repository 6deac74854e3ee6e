"""What the last words of all devices come to: who holds, who deviates and how, who is silent."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import NamedTuple

from coral_lock.canonical_json import Value
from coral_lock.fleet.gathering import KINDS, Ledger
from coral_lock.fleet.states import HOLDS_STATE, RANKS, STATES, DeviceState, FleetWords, states_of
from coral_lock.fleet.words import CLOCK_RIGHT, Acceptance

MAX_NAMED = 10_000
"""How many devices of a state a document names; all are counted."""

_MAX_EXAMPLES = 5
_MAX_SUMMARIES = 3
_MAX_GROUPS = 1_000


class LockUse(NamedTuple):
    """How many devices have last spoken of a lock, and how many of them don't hold.

    `examples` are the first of them, the reddest first.
    """

    lock: str | None
    acceptance: Acceptance | None
    devices: int
    red: int
    examples: tuple[str, ...]

    def to_dict(self) -> dict[str, Value]:
        """Return it as a JSON object."""
        return {
            "sha256": self.lock,
            "accepted": self.acceptance and self.acceptance._asdict(),
            "devices": self.devices,
            "red": self.red,
            "examples": list(self.examples),
        }


@dataclass(frozen=True, slots=True)
class Group:
    """Devices with the same finding, or whose plugin failed in the same way.

    Attributes:
        what: the code of the finding, or the status of the plugin.
        severity: that of the finding, empty for a plugin.
        subject: what it is about.
        plugins: those that come from the distribution that a finding is about.
        devices: how many there are.
        examples: the first of them.
        summaries: what the findings say, each once; the first of them.
    """

    what: str
    severity: str
    subject: str
    plugins: tuple[str, ...]
    devices: int
    examples: tuple[str, ...]
    summaries: tuple[str, ...]

    def to_dict(self) -> dict[str, Value]:
        """Return it as a JSON object."""
        devices: dict[str, Value] = {"devices": self.devices, "examples": list(self.examples)}
        if not self.severity:
            return {"status": self.what, "plugin": self.subject, **devices}
        return {
            "code": self.what,
            "severity": self.severity,
            "subject": self.subject,
            "plugins": list(self.plugins),
            **devices,
            "summaries": list(self.summaries),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What is known of a fleet.

    Attributes:
        now: the time to which ages are counted, in seconds (Unix).
        stale_after: from which age on a last word is too old, in seconds.
        has_inventory: whether it is known which devices there should be.
        devices: all of them, the reddest first, then by id.
        counts: how many devices are in each state.
        locks: which locks they run, the most frequent first.
        findings: what deviates, errors first, the most frequent first.
        plugins: which plugins failed, the most frequent first.
        rollbacks: devices that have accepted a lock below the floor.
        clocks: devices whose clock can't be right.
        duplicates: how many reports said what another one had said.
        superseded: how many were followed by a later one.
        ledger: what was read, and what of it was set aside.
    """

    now: float
    stale_after: float
    has_inventory: bool
    devices: Sequence[DeviceState]
    counts: Mapping[str, int]
    locks: Sequence[LockUse]
    findings: Sequence[Group]
    plugins: Sequence[Group]
    rollbacks: Sequence[DeviceState]
    clocks: Sequence[DeviceState]
    duplicates: int
    superseded: int
    ledger: Ledger

    @property
    def total(self) -> int:
        """How many devices are known, by the inventory or by their reports."""
        return len(self.devices)

    @property
    def all_hold(self) -> bool:
        """Whether there are devices, all of them hold, and every report counts."""
        return 0 < self.counts.get(HOLDS_STATE, 0) == self.total and not self.ledger.counts.total()

    def to_dict(self) -> dict[str, Value]:
        """Return it as a JSON object; of each state at most `MAX_NAMED` devices are named."""
        named: Counter[str] = Counter()
        devices: list[Value] = []
        for each in self.devices:
            named[each.state] += 1
            if each.state != HOLDS_STATE and named[each.state] <= MAX_NAMED:
                devices.append(each.to_dict())
        return {
            "format_version": "1.0",
            "now": datetime.fromtimestamp(self.now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "stale_after_s": self.stale_after,
            "holds": self.all_hold,
            "devices_total": self.total,
            "states": {state: self.counts.get(state, 0) for state in STATES},
            "locks": [each.to_dict() for each in self.locks],
            "findings": [each.to_dict() for each in self.findings],
            "plugins": [each.to_dict() for each in self.plugins],
            "rollbacks": [
                {"device": each.device, "reason": each.word.acceptance.rollback}
                for each in self.rollbacks[:MAX_NAMED]
                if each.word and each.word.acceptance
            ],
            "wrong_clocks": [
                {"device": each.device, "clock": each.word.clock}
                for each in self.clocks[:MAX_NAMED]
                if each.word
            ],
            "devices": devices,
            "reports": {
                "files": self.ledger.files,
                "valid": self.ledger.reports,
                "superseded": self.superseded,
                "duplicates": self.duplicates,
                "set_aside": {kind: self.ledger.counts[kind] for kind in KINDS},
                "named": [each.to_dict() for each in self.ledger.named],
            },
        }


def summarize(fleet: FleetWords, *, now: float, stale_after: float) -> Summary:
    """Return what is known of a fleet.

    Args:
        fleet: what its devices said last.
        now: the time to which ages are counted, in seconds (Unix).
        stale_after: from which age on a last word is too old, in seconds.
    """
    states = list(states_of(fleet, stale_after))
    states.sort(key=lambda each: (RANKS[each.state], each.device))
    spoken = [each for each in states if each.word is not None]
    plugins_of = fleet.reader.plugins_of
    return Summary(
        now=now,
        stale_after=stale_after,
        has_inventory=fleet.inventory is not None,
        devices=states,
        counts=Counter(each.state for each in states),
        locks=_lock_uses(spoken),
        findings=_groups(
            (
                (
                    (finding.code, finding.severity, finding.subject),
                    each.device,
                    finding.summary,
                )
                for each in spoken
                for finding in (each.word.findings if each.word else ())
            ),
            lambda subject: () if ":" in subject else plugins_of(subject),
        ),
        plugins=_groups(
            (
                ((status, "", identifier), each.device, "")
                for each in spoken
                for identifier, status in (each.word.plugins if each.word else ())
            ),
            lambda _: (),
        ),
        rollbacks=[
            each
            for each in spoken
            if each.word and each.word.acceptance and each.word.acceptance.rollback is not None
        ],
        clocks=[each for each in spoken if each.word and each.word.clock != CLOCK_RIGHT],
        duplicates=fleet.words.duplicates,
        superseded=fleet.words.superseded,
        ledger=fleet.ledger,
    )


def _lock_uses(devices: Iterable[DeviceState]) -> list[LockUse]:
    counts: Counter[tuple[str | None, Acceptance | None]] = Counter()
    red: Counter[tuple[str | None, Acceptance | None]] = Counter()
    examples: dict[tuple[str | None, Acceptance | None], list[str]] = defaultdict(list)
    for each in devices:
        if each.word is not None:
            # The reason for a rollback is each device's own.
            accepted = each.word.acceptance and each.word.acceptance._replace(rollback=None)
            key = each.word.lock, accepted
            counts[key] += 1
            red[key] += each.state != HOLDS_STATE
            if counts[key] <= _MAX_EXAMPLES:
                examples[key].append(each.device)
    uses = [LockUse(*key, count, red[key], tuple(examples[key])) for key, count in counts.items()]
    return sorted(uses, key=lambda use: (-use.devices, str(use.lock), str(use.acceptance)))[
        :_MAX_GROUPS
    ]


def _groups(
    found: Iterable[tuple[tuple[str, str, str], str, str]],
    plugins_of: Callable[[str], tuple[str, ...]],
) -> list[Group]:
    """Return the groups of devices by what, severity and subject."""
    counts: Counter[tuple[str, str, str]] = Counter()
    examples: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    summaries: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for key, device, summary in found:
        counts[key] += 1
        if summary and len(summaries[key]) < _MAX_SUMMARIES and summary not in summaries[key]:
            summaries[key].append(summary)
        if counts[key] <= _MAX_EXAMPLES:
            examples[key].append(device)
    ordered = sorted(counts, key=lambda key: (key[1], -counts[key], key))[:_MAX_GROUPS]
    return [
        Group(
            *key,
            plugins_of(key[2]),
            counts[key],
            tuple(examples[key]),
            tuple(summaries.get(key, ())),
        )
        for key in ordered
    ]
