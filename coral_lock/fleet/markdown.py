"""The summary of a fleet as Markdown, for a comment, a chat or a summary of a job."""

from __future__ import annotations

from collections.abc import Iterator

from coral_lock.fleet.gathering import KINDS
from coral_lock.fleet.summary import HOLDS_STATE, STATES, Group, Summary
from coral_lock.fleet.text import counted_devices, duration_text, headline, lock_name
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
        ("Plugins that aren't active", summary.plugins),
    ):
        if groups:
            head = table_head("What", "Of", "Devices", "Examples")
            yield Section(title, head, map(_group_row, groups))
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
    return table_row(as_code(group.what), of, f"{group.devices:,}", examples)
