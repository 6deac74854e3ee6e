"""The summary of a fleet as one page: the red devices first, and any device by its name.

It needs nothing from elsewhere, and no library. What reports and inventories say is untrusted text:
it is escaped here, and in the script it is only ever text.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from html import escape
from string import Template

from coral_lock.errors import printable, shortened
from coral_lock.fleet.gathering import KINDS
from coral_lock.fleet.states import HOLDS_STATE, STATES, DeviceState
from coral_lock.fleet.summary import Group, Summary
from coral_lock.fleet.text import NO_LOCK, counted_devices, duration_text, headline, lock_name
from coral_lock.fleet.words import Word
from coral_lock.rendering.html import page_part, policy_of

_DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "page")
_MAX_STATIC = 300
_MAX_ROWS = 200
_MAX_TEXT = 300
_MAX_FOUND = 5


def render_page(summary: Summary) -> str:
    """Return the page. It has all devices; without its script, the first 300 are shown."""
    style = page_part("style.css") + _part("style.css")
    script = _part("devices.js")
    abouts: dict[str, int] = {}
    states = {state: index for index, state in enumerate(STATES)}
    rows = [
        [each.device, states[each.state], abouts.setdefault(_about(each), len(abouts))]
        for each in summary.devices
    ]
    sections = {
        "findings": ("Findings", map(_group_item, summary.findings), len(summary.findings)),
        "plugins": (
            "Plugins that failed",
            map(_group_item, summary.plugins),
            len(summary.plugins),
        ),
        "locks": ("Locks", _lock_items(summary), len(summary.locks)),
        "rollbacks": ("Rolled back", _rollback_items(summary), len(summary.rollbacks)),
        "clocks": ("Clocks that can't be right", _clock_items(summary), len(summary.clocks)),
        "set-aside": (
            "Reports that were set aside",
            _set_aside_items(summary),
            summary.ledger.counts.total(),
        ),
    }
    shown = {key: each for key, each in sections.items() if each[2]}
    left_out = len(rows) - _MAX_STATIC
    return Template(_part("page.html")).substitute(
        policy=escape(policy_of(style, script)),
        headline=escape(headline(summary)),
        style=style,
        script=script,
        facts="\n".join(
            f"<dt>{escape(name)}</dt>\n<dd>{escape(value)}</dd>" for name, value in _facts(summary)
        ),
        links=" · ".join(
            f'<a href="#{key}">{escape(title)}</a>' for key, (title, *_) in shown.items()
        ),
        choices="\n".join(_choices(summary)),
        devices="\n".join(map(_device_item, summary.devices[:_MAX_STATIC])),
        more=f"{left_out:,} more" if left_out > 0 else "",
        sections="\n".join(
            f'<section id="{key}">\n<h2>{escape(title)} ({count:,})</h2>\n<ul>\n'
            + "\n".join(items)
            + "\n</ul>\n</section>"
            for key, (title, items, count) in shown.items()
        ),
        # In a script element nothing is escaped, and `<` could end it.
        data=json.dumps(
            {"states": list(STATES), "abouts": list(abouts), "rows": rows}, separators=(",", ":")
        ).replace("<", "\\u003c"),
    )


def _part(name: str) -> str:
    with open(os.path.join(_DIRECTORY, name), encoding="utf-8") as file:
        return file.read()


def _facts(summary: Summary) -> Iterator[tuple[str, str]]:
    for state, meaning in STATES.items():
        if summary.counts.get(state):
            yield state, f"{summary.counts[state]:,}: {meaning}"
    if summary.counts.get(HOLDS_STATE, 0) < summary.total:
        yield "red", f"whoever is in another state than {HOLDS_STATE}"
    time = datetime.fromtimestamp(summary.now, timezone.utc)
    yield "as of", time.strftime("%Y-%m-%d %H:%M:%S UTC")
    yield "stale after", duration_text(summary.stale_after)
    yield "inventory", "yes" if summary.has_inventory else "none, so nobody can be missing"
    yield "reports", f"{summary.ledger.reports:,} in {summary.ledger.files:,} files"


def _choices(summary: Summary) -> Iterator[str]:
    for state in STATES:
        count = summary.counts.get(state)
        if count:
            box = f'<input type="checkbox" name="state" value="{state}" checked>'
            yield f"<label>{box} {state} ({count:,})</label>"


def _about(each: DeviceState) -> str:
    """Return what is said of a device below its name."""
    word = each.word
    if word is None:
        return printable(each.note)
    parts = [
        f"{duration_text(word.age)} old",
        f"lock {word.lock[:12]}" if word.lock else NO_LOCK,
        *_acceptance_parts(word),
        *sorted({f"{finding.code} {finding.subject}" for finding in word.findings})[:_MAX_FOUND],
        *([each.note] if each.note else []),
    ]
    if each.state != "holds":
        parts.append(str(word.source))
    return shortened(printable(" · ".join(parts)), _MAX_TEXT)


def _acceptance_parts(word: Word) -> list[str]:
    if word.acceptance is None:
        return []
    channel, serial, rollback = word.acceptance
    return [f"{channel} {serial}", *(["rolled back"] if rollback is not None else [])]


def _device_item(each: DeviceState) -> str:
    name = f'<strong class="state-{each.state}">{each.state}</strong> {_code(each.device)}'
    about = _about(each)
    return f'<li class="item state-{each.state}"><p>{name}</p>' + (
        f'<p class="quiet">{escape(about)}</p></li>' if about else "</li>"
    )


def _code(text: str) -> str:
    return f"<code>{escape(shortened(printable(text), _MAX_TEXT))}</code>"


def _items(texts: Iterable[str], count: int) -> Iterator[str]:
    for number, text in enumerate(texts):
        if number == _MAX_ROWS:
            yield f"<li>{count - number:,} more</li>"
            return
        yield f'<li class="item">{text}</li>'


def _group_item(group: Group) -> str:
    level = {"error": " error", "warning": " warning"}.get(group.severity, "")
    plugins = f" ({', '.join(map(_code, group.plugins))})" if group.plugins else ""
    more = ", …" if group.devices > len(group.examples) else ""
    return (
        f'<li class="item{level}"><p>{_code(group.what)} {_code(group.subject)}{plugins}: '
        f"{counted_devices(group.devices)}</p>"
        + "".join(f"<p>{escape(printable(each))}</p>" for each in group.summaries)
        + f'<p class="quiet">{escape(", ".join(group.examples))}{more}</p></li>'
    )


def _lock_items(summary: Summary) -> Iterator[str]:
    return _items(
        (
            f"{_code(lock_name(use))}: {counted_devices(use.devices)}"
            + (f", {use.red:,} of them red" if use.red else "")
            + f": {escape(', '.join(use.examples))}"
            + (", …" if use.devices > len(use.examples) else "")
            for use in summary.locks
        ),
        len(summary.locks),
    )


def _rollback_items(summary: Summary) -> Iterator[str]:
    reasons = (
        (each.device, each.word.acceptance.rollback or "")
        for each in summary.rollbacks
        if each.word and each.word.acceptance
    )
    return _items(
        (f"{_code(device)}: {_code(reason)}" for device, reason in reasons), len(summary.rollbacks)
    )


def _clock_items(summary: Summary) -> Iterator[str]:
    return _items(
        (f"{_code(each.device)}: {each.word.clock}" for each in summary.clocks if each.word),
        len(summary.clocks),
    )


def _set_aside_items(summary: Summary) -> Iterator[str]:
    for kind, meaning in KINDS.items():
        count = summary.ledger.counts[kind]
        if count:
            named = [each for each in summary.ledger.named if each.kind == kind]
            places = "".join(
                f'<p class="quiet">{_code(each.where)}: {escape(each.reason)}</p>' for each in named
            )
            more = f'<p class="quiet">{count - len(named):,} more</p>' if count > len(named) else ""
            head = f"<p>{_code(kind)} ({count:,}): {escape(meaning)}</p>"
            yield f'<li class="item">{head}{places}{more}</li>'
