"""The summary of a fleet as text and as Markdown."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from coral_lock.difference.text import render_text as render_changes
from coral_lock.errors import printable, shortened
from coral_lock.fleet.gathering import KINDS
from coral_lock.fleet.plan import Devices, Plan
from coral_lock.fleet.states import HOLDS_STATE, STATES
from coral_lock.fleet.summary import Group, LockUse, Summary

_MAX_NAMED = 5
_MAX_ROWS = 20
_MAX_REASON = 120
_MAX_CHANGES = 12
NO_LOCK = "a lock that is missing or can't be read"
_UNKNOWN = "can't be compared, as nobody has the lock that they run"


def duration_text(seconds: float) -> str:
    """Return a duration in the largest unit of which there are two: `36 h`, `3 d`."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,.0f} s"


def headline(summary: Summary) -> str:
    """Return how the fleet is, as a sentence."""
    holding = summary.counts.get(HOLDS_STATE, 0)
    if not summary.total:
        return "no device has reported"
    return f"{holding:,} of {counted_devices(summary.total)} hold"


def counted_devices(number: int) -> str:
    """Return a number of devices: `1 device`, `10,000 devices`."""
    return _amount(number, "device")


def _amount(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def lock_name(use: LockUse) -> str:
    """Return what a lock is called: the start of its digest, and its channel and serial."""
    name = use.lock[:12] if use.lock else NO_LOCK
    accepted = use.acceptance
    return f"{name}  {printable(accepted.channel)} {accepted.serial}" if accepted else name


def render_text(summary: Summary) -> str:
    """Return the summary as text; of all that is listed the first are named, and all counted."""
    lines = [headline(summary)]
    for state, meaning in STATES.items():
        named = [each for each in summary.devices if each.state == state]
        if not named or state == HOLDS_STATE:
            continue
        lines.append(f"{state} ({len(named):,}): {meaning}")
        for each in named[:_MAX_NAMED]:
            age = f", {duration_text(each.word.age)} old" if each.word else ""
            codes = sorted({finding.code for finding in each.word.findings}) if each.word else []
            notes = [*codes, *([each.note] if each.note else [])]
            about = f": {', '.join(notes)}" if notes else ""
            lines.append(f"  {each.device}{age}{about}")
        lines += _rest(len(named), _MAX_NAMED)
    lines += _section("locks", list(map(_lock_line, summary.locks)))
    lines += _section(
        "findings",
        list(map(_group_line, summary.findings)),
        [group.summaries for group in summary.findings],
    )
    lines += _section("plugins that failed", list(map(_group_line, summary.plugins)))
    lines += _section(
        "rolled back",
        [
            f"{each.device}: {shortened(each.word.acceptance.rollback or '', _MAX_REASON)}"
            for each in summary.rollbacks
            if each.word and each.word.acceptance
        ],
    )
    lines += _section(
        "clocks that can't be right",
        [f"{each.device}: {each.word.clock}" for each in summary.clocks if each.word],
    )
    lines += _set_aside(summary)
    return "".join(f"{printable(line)}\n" for line in lines)


def _rest(number: int, shown: int) -> list[str]:
    return [f"  and {number - shown:,} more"] if number > shown else []


def _section(title: str, rows: Sequence[str], details: Sequence[Sequence[str]] = ()) -> list[str]:
    """Return a heading and the first rows, each followed by its details."""
    if not rows:
        return []
    lines = [f"{title} ({len(rows):,})"]
    for row, below in itertools.zip_longest(rows[:_MAX_ROWS], details[:_MAX_ROWS], fillvalue=()):
        lines += [f"  {row}", *(f"    {each}" for each in below)]
    return [*lines, *_rest(len(rows), _MAX_ROWS)]


def _lock_line(use: LockUse) -> str:
    red = f", {use.red:,} of them red" if use.red else ""
    more = ", …" if use.devices > len(use.examples) else ""
    named = f"{', '.join(use.examples)}{more}"
    return f"{lock_name(use)}: {counted_devices(use.devices)}{red}: {named}"


def _group_line(group: Group) -> str:
    severity = f"{group.severity} " if group.severity else ""
    plugins = f" ({', '.join(group.plugins)})" if group.plugins else ""
    more = ", …" if group.devices > len(group.examples) else ""
    return (
        f"{severity}{group.what} {group.subject}{plugins}: {counted_devices(group.devices)}: "
        f"{', '.join(group.examples)}{more}"
    )


def _set_aside(summary: Summary) -> Iterator[str]:
    ledger = summary.ledger
    others = [
        *([f"{summary.superseded:,} followed by a later one"] * bool(summary.superseded)),
        *([f"{summary.duplicates:,} there twice"] * bool(summary.duplicates)),
    ]
    read = f"read {_amount(ledger.reports, 'report')} in {_amount(ledger.files, 'file')}"
    yield f"{read} ({', '.join(others)})" if others else read
    for kind, meaning in KINDS.items():
        if not ledger.counts[kind]:
            continue
        yield f"set aside, {kind} ({ledger.counts[kind]:,}): {meaning}"
        named = [each for each in ledger.named if each.kind == kind]
        for each in named[:_MAX_NAMED]:
            yield f"  {each.where}: {each.reason}"
        yield from _rest(ledger.counts[kind], _MAX_NAMED)


def plan_headline(plan: Plan) -> str:
    """Return what a new lock does to a fleet, as a sentence."""
    counts = (
        (sum(step.devices.count for step in plan.steps), "to change"),
        (plan.unchanged.count, "on it already"),
        (plan.blocked.count, "that can't take it"),
        (sum(each.count for each in plan.unknown.values()), "on an unknown lock"),
        (plan.silent.count, "silent"),
        (plan.unlisted.count, "not in the inventory"),
    )
    parts = [f"{count:,} {what}" for count, what in counts if count]
    return f"{plan.lock[:12]}: {', '.join(parts) if parts else 'no devices'}"


def render_plan(plan: Plan) -> str:
    """Return a plan as text; of devices and changes the first are shown, and all counted."""
    lines = [plan_headline(plan)]
    for obstacle, devices in plan.obstacles.items():
        lines += [f"can't take it, {obstacle.code}: {_named(devices)}", f"  {obstacle.reason}"]
    for step in plan.steps:
        target = f", target {step.target}" if step.target else ""
        lines.append(f"from {step.lock[:12]}{target}: {_named(step.devices)}")
        changes = render_changes(step.changes, _MAX_CHANGES, is_brief=True).splitlines()
        lines += [f"  {line}" for line in changes or ["no changes"]]
    for lock, devices in plan.unknown.items():
        lines.append(f"from {lock[:12] if lock else NO_LOCK}: {_named(devices)}")
        lines.append(f"  {_UNKNOWN}" if lock else "  nobody knows which lock they run")
    for word, devices in (
        ("silent", plan.silent),
        ("not in the inventory", plan.unlisted),
        ("unchanged", plan.unchanged),
    ):
        if devices.count:
            lines.append(f"{word}: {_named(devices)}")
    return "".join(f"{printable(line).rstrip()}\n" for line in lines)


def _named(devices: Devices) -> str:
    red = f", {devices.red:,} of them red now" if devices.red else ""
    more = ", …" if devices.count > len(devices.examples) else ""
    return f"{counted_devices(devices.count)}{red}: {', '.join(devices.examples)}{more}"
