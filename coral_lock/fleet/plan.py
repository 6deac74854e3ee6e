"""What a new lock changes on the devices of a fleet, and which of them can't take it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from coral_lock.canonical_json import Value
from coral_lock.difference.model import Change
from coral_lock.errors import printable, quoted
from coral_lock.fleet.states import HOLDS_STATE, DeviceState
from coral_lock.fleet.words import Word
from coral_lock.history import changes_between
from coral_lock.lockfile.model import Lock
from coral_lock.targets.machine import Machine
from coral_lock.targets.model import (
    Target,
    fits,
    is_platform_tag,
    is_python_version,
    parse_platform,
)
from coral_lock.verification.verdict import Verdict, covered_part

_MAX_EXAMPLES = 5


class Obstacle(NamedTuple):
    """Why a device can't take a lock; `code` is that of the finding that its start would have."""

    code: str
    reason: str


class Devices:
    """Devices that are in the same situation: how many, the first of them, and how many are red."""

    def __init__(self) -> None:
        self.count = 0
        self.red = 0
        self.examples: list[str] = []

    def add(self, each: DeviceState) -> None:
        self.count += 1
        self.red += each.state != HOLDS_STATE
        if self.count <= _MAX_EXAMPLES:
            self.examples.append(each.device)

    def to_dict(self) -> dict[str, Value]:
        """Return them as members of a JSON object."""
        return {"devices": self.count, "red": self.red, "examples": list(self.examples)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What the new lock changes for devices that run the same lock and are the same target.

    Attributes:
        lock: the SHA-256 of the lock that they run.
        target: the target of the new lock that they are, None where it has none.
        changes: what changes for them.
        devices: how many there are.
    """

    lock: str
    target: str | None
    changes: tuple[Change, ...]
    devices: Devices


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What happens to a fleet that takes a new lock.

    Attributes:
        lock: the SHA-256 of the new lock.
        steps: the devices that it changes, the most first.
        unknown: the devices whose lock nobody has, by its digest; None stands for none at all.
        blocked: the devices that can't take it.
        obstacles: the same devices by the reasons, of which one can have several.
        unchanged: the devices that run it already.
        silent: the devices that are missing.
        unlisted: the devices that aren't in the inventory; they are in nothing else.
    """

    lock: str
    steps: tuple[Step, ...]
    unknown: Mapping[str | None, Devices]
    blocked: Devices
    obstacles: Mapping[Obstacle, Devices]
    unchanged: Devices
    silent: Devices
    unlisted: Devices

    def to_dict(self) -> dict[str, Value]:
        """Return it as a JSON object."""
        return {
            "format_version": "1.0",
            "lock": self.lock,
            "steps": [
                {
                    "lock": step.lock,
                    "target": step.target,
                    **step.devices.to_dict(),
                    "changes": [change.to_dict() for change in step.changes],
                }
                for step in self.steps
            ],
            "unknown": [
                {"lock": lock, **devices.to_dict()} for lock, devices in self.unknown.items()
            ],
            "blocked": self.blocked.to_dict(),
            "obstacles": [
                {"code": each.code, "reason": each.reason, **devices.to_dict()}
                for each, devices in self.obstacles.items()
            ],
            "unchanged": self.unchanged.to_dict(),
            "silent": self.silent.to_dict(),
            "unlisted": self.unlisted.to_dict(),
        }


def locks_of(devices: Iterable[DeviceState]) -> Counter[str]:
    """Return the digests of the locks that devices run, with how many run each."""
    return Counter(each.word.lock for each in devices if each.word and each.word.lock)


def make_plan(
    devices: Collection[DeviceState], new: Lock, digest: str, old_locks: Mapping[str, Lock]
) -> Plan:
    """Return what happens to devices that take a lock.

    Args:
        devices: all devices that are known, in the order in which they are to be named.
        new: the new lock.
        digest: the SHA-256 of its bytes.
        old_locks: locks by the SHA-256 of their bytes.
    """
    planner = _Planner(new, old_locks)
    steps: dict[_Comparison, Devices] = {}
    unknown: dict[str | None, Devices] = {}
    obstacles: dict[Obstacle, Devices] = {}
    blocked, unchanged, silent, unlisted = Devices(), Devices(), Devices(), Devices()
    for each in devices:
        word = each.word
        if word is None:
            silent.add(each)
            continue
        if not each.is_listed:
            unlisted.add(each)
            continue
        if word.lock == digest:
            unchanged.add(each)
            continue
        fit = planner.fit(word)
        for obstacle in fit.obstacles:
            obstacles.setdefault(obstacle, Devices()).add(each)
        if fit.obstacles:
            blocked.add(each)
            continue
        comparison = planner.comparison(word, fit)
        if comparison is None:
            unknown.setdefault(word.lock, Devices()).add(each)
        else:
            steps.setdefault(comparison, Devices()).add(each)
    return Plan(
        lock=digest,
        steps=tuple(
            Step(lock=each.lock, target=each.target, changes=planner.changes(each), devices=found)
            for each, found in sorted(
                steps.items(),
                key=lambda item: (-item[1].count, *(part or "" for part in item[0])),
            )
        ),
        unknown=dict(sorted(unknown.items(), key=lambda item: (-item[1].count, item[0] or ""))),
        blocked=blocked,
        obstacles=dict(sorted(obstacles.items(), key=lambda item: (-item[1].count, item[0]))),
        unchanged=unchanged,
        silent=silent,
        unlisted=unlisted,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Fit:
    """Whether a lock fits a machine: its part and target, or what is in the way."""

    machine: Machine
    part: Lock | None
    target: str | None
    obstacles: tuple[Obstacle, ...]


class _Comparison(NamedTuple):
    """Of which lock which target's part is compared with which one of the new lock."""

    lock: str
    old_target: str | None
    target: str | None


class _Planner:
    """Judges each kind of machine, and compares each pair of locks, once."""

    def __init__(self, new: Lock, old_locks: Mapping[str, Lock]) -> None:
        self._new = new
        self._old_locks = old_locks
        self._fits: dict[object, _Fit] = {}
        self._old_parts: dict[tuple[str, Machine], Verdict] = {}
        self._sides: dict[_Comparison, tuple[Lock | None, Lock | None]] = {}

    def fit(self, word: Word) -> _Fit:
        key = word.python, word.platform, word.hosts
        if key not in self._fits:
            self._fits[key] = self._judged(word)
        return self._fits[key]

    def _judged(self, word: Word) -> _Fit:
        machine = Machine(python=word.python, platform=parse_platform(word.platform))
        if not (is_python_version(word.python) and is_platform_tag(word.platform)):
            reason = (
                f"nobody knows which wheels fit Python {quoted(word.python)} on "
                f"{quoted(word.platform)}"
            )
            obstacle = Obstacle("platform-drift", reason)
            return _Fit(machine=machine, part=None, target=None, obstacles=(obstacle,))
        verdict = covered_part(self._new, machine)
        if verdict.part is None:
            obstacles = [
                Obstacle(each.code, f"{each.summary}: {machine}") for each in verdict.findings
            ]
        else:
            obstacles = [
                *_platform_obstacles(verdict.part, word, machine, not self._new.targets),
                *_host_obstacles(verdict.part, word),
            ]
        return _Fit(
            machine=machine,
            part=verdict.part,
            target=verdict.target,
            obstacles=tuple(obstacles),
        )

    def comparison(self, word: Word, fit: _Fit) -> _Comparison | None:
        """Return what is compared for a device, None if nobody has the lock that it runs."""
        if word.lock is None or word.lock not in self._old_locks:
            return None
        key = word.lock, fit.machine
        if key not in self._old_parts:
            self._old_parts[key] = covered_part(self._old_locks[word.lock], fit.machine)
        old = self._old_parts[key]
        found = _Comparison(word.lock, old.target, fit.target)
        self._sides.setdefault(found, (old.part, fit.part))
        return found

    def changes(self, comparison: _Comparison) -> tuple[Change, ...]:
        """Return what changes."""
        return changes_between(*self._sides[comparison])


def _platform_obstacles(
    part: Lock, word: Word, machine: Machine, is_any_machine: bool
) -> Iterator[Obstacle]:
    """Yield what is in the way where a lock without targets says for which machine it is."""
    if not is_any_machine:
        return
    if machine.language_version != part.host.python:
        yield Obstacle(
            "python-drift", f"it is for Python {part.host.python}, found {machine.language_version}"
        )
        return
    target = Target(name="device", python=word.python, platform=word.platform)
    for each in part.distributions:
        if each.digests and not any(fits(tags, target) for tags in each.digests):
            yield Obstacle(
                "platform-drift", f"it has no wheel of `{each.name}` for {machine.platform}"
            )


def _host_obstacles(part: Lock, word: Word) -> Iterator[Obstacle]:
    """Yield which host a device lacks; one that the lock has as a distribution comes with it."""
    locked = {each.name for each in part.distributions}
    for package, found in zip((part.host.core, part.host.inference), word.hosts):
        if package is None or package.distribution in locked:
            continue
        if found != (package.distribution, package.version):
            shown = printable(" ".join(found)) if found else "none"
            yield Obstacle(
                "host-drift",
                f"it is for {package.distribution} {package.version}, which it doesn't bring, "
                f"found {shown}",
            )
