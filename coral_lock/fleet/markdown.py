"""The summary of a fleet as Markdown, for a comment, a chat or a summary of a job."""

from __future__ import annotations

from collections.abc import Iterator

from coral_lock.difference.text import sentence_of
from coral_lock.fleet.gathering import KINDS
from coral_lock.fleet.plan import Devices, Plan
from coral_lock.fleet.states import HOLDS_STATE, STATES
from coral_lock.fleet.summary import Group, Summary
from coral_lock.fleet.text import (
    NO_LOCK,
    counted_devices,
    duration_text,
    headline,
    lock_name,
    plan_headline,
)
from coral_lock.rendering.markdown import (
    MAX_BYTES,
    Section,
    as_code,
    render_sections,
    sentence,
    table_head,
    table_row,
)

_MAX_NAMED = 50
_MAX_CHANGES = 20


def render_markdown(summary: Summary, max_bytes: int = MAX_BYTES) -> str:
    """Return the summary as Markdown, no longer than `max_bytes` of UTF-8."""
    return render_sections([f"### {headline(summary)}"], list(_sections(summary)), max_bytes)


def _sections(summary: Summary) -> Iterator[Section]:
    counts = [
        table_row(state, f"{summary.counts[state]:,}", sentence(meaning))
        for state, meaning in STATES.items()
        if summary.counts.get(state)
    ]
    if counts:
        yield Section("States", table_head("State", "Devices", "Meaning"), counts)
    locks = [
        table_row(as_code(lock_name(use)), f"{use.devices:,}", f"{use.red:,}")
        for use in summary.locks
    ]
    if locks:
        yield Section("Locks", table_head("Lock", "Devices", "Red"), locks, gives_way=True)
    for title, groups in (
        ("Findings", summary.findings),
        ("Plugins that failed", summary.plugins),
    ):
        if groups:
            head = table_head("What", "Of", "Devices", "Examples")
            yield Section(title, head, list(map(_group_row, groups)))
    for state in STATES:
        red = [each for each in summary.devices if each.state == state]
        if red and state != HOLDS_STATE:
            rows = [
                table_row(
                    as_code(each.device),
                    duration_text(each.word.age) if each.word else "",
                    as_code(str(each.word.source)) if each.word else sentence(each.note),
                )
                for each in red[:_MAX_NAMED]
            ]
            if len(red) > _MAX_NAMED:
                rows.append(table_row(f"{len(red) - _MAX_NAMED:,} more", "", ""))
            title = f"{state.capitalize()}: {counted_devices(len(red))}"
            head = table_head("Device", "Age", "Where")
            yield Section(title, head, rows, is_folded=True, gives_way=True)
    aside = [
        table_row(each.kind, as_code(each.where), as_code(each.reason))
        for each in summary.ledger.named
    ]
    if aside:
        counted = ", ".join(
            f"{summary.ledger.counts[kind]:,} {kind}"
            for kind in KINDS
            if summary.ledger.counts[kind]
        )
        head = table_head("Kind", "Where", "Reason")
        yield Section(f"Set aside: {counted}", head, aside, is_folded=True, gives_way=True)


def _group_row(group: Group) -> str:
    of = as_code(group.subject) + "".join(f"<br>{as_code(each)}" for each in group.plugins)
    more = ", …" if group.devices > len(group.examples) else ""
    examples = ", ".join(map(as_code, group.examples)) + more
    what = "<br>".join([as_code(group.what), *map(sentence, group.summaries)])
    return table_row(what, of, f"{group.devices:,}", examples)


def render_plan_markdown(plan: Plan, max_bytes: int = MAX_BYTES) -> str:
    """Return a plan as Markdown, no longer than `max_bytes` of UTF-8."""
    sections = []
    if plan.obstacles:
        rows = [
            table_row(as_code(each.code), sentence(each.reason), *_device_cells(devices))
            for each, devices in plan.obstacles.items()
        ]
        head = table_head("Finding", "Why", "Devices", "Examples")
        sections.append(Section(f"{counted_devices(plan.blocked.count)} can't take it", head, rows))
    steps = [
        table_row(
            as_code(step.lock[:12]),
            as_code(step.target) if step.target else "",
            "<br>".join(sentence(sentence_of(change)) for change in step.changes[:_MAX_CHANGES])
            + (f"<br>{len(step.changes) - _MAX_CHANGES} more" * (len(step.changes) > _MAX_CHANGES)),
            *_device_cells(step.devices),
        )
        for step in plan.steps
    ]
    if steps:
        head = table_head("From", "Target", "Changes", "Devices", "Examples")
        sections.append(Section("What changes", head, steps))
    others = [
        *(
            (f"run {lock[:12]}, which nobody has" if lock else f"have {NO_LOCK}", devices)
            for lock, devices in plan.unknown.items()
        ),
        ("run it already", plan.unchanged),
        ("are silent", plan.silent),
        ("aren't in the inventory", plan.unlisted),
    ]
    rows = [table_row(sentence(what), *_device_cells(each)) for what, each in others if each.count]
    if rows:
        head = table_head("Devices that", "Devices", "Examples")
        sections.append(Section("Others", head, rows, gives_way=True))
    return render_sections([f"### {plan_headline(plan)}"], sections, max_bytes)


def _device_cells(devices: Devices) -> tuple[str, str]:
    more = ", …" if devices.count > len(devices.examples) else ""
    return f"{devices.count:,}", ", ".join(map(as_code, devices.examples)) + more
