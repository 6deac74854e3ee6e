"""The difference of two locks as text for people."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from coral_lock.canonical_json import Value, quote, write
from coral_lock.difference.model import Change
from coral_lock.lockfile.model import is_digest

_WIDTH = 100
_DIGEST_START, _DIGEST_END = 15, 7
_VALUE_SUFFIXES = ("-changed", "-moved", "-upgraded", "-downgraded", "-raised", "-lowered")
_MAX_NAMED = 3
_MAX_MEMBERS = 20
_CONSTANTS = frozenset({"true", "false", "none"})
_NOT_PLAIN = frozenset(" ,[]")


def render_text(
    changes: Sequence[Change], limit: int | None = None, *, is_brief: bool = False
) -> str:
    """Return the changes as text; empty if there are none.

    Each is listed under its distribution, or under `lock` if it concerns the whole lock, after
    `!` (a high or medium risk), `+`, `-` or `~`, and followed by its risks. The riskiest are
    first in the order of `difference`, so a limit never hides them behind others.

    Args:
        changes: what `difference` returned.
        limit: the number of changes to show; the last line counts the rest.
        is_brief: leave out what an added entry says, and name risks by their codes alone.
    """
    shown = changes if limit is None else changes[:limit]
    lines: list[str] = []
    heading = None
    for change in shown:
        if not lines or change.distribution != heading:
            heading = change.distribution
            lines += [""] if lines else []
            name = "lock" if change.distribution is None else one_line(change.distribution)
            lines.append(f"{name} (via {via_text(change)})" if change.via else name)
        lines += _change_lines(change, is_brief)
        if not is_brief:
            lines += [
                f"      {risk.level} risk, {risk.code}: {risk.sentence}" for risk in change.risks
            ]
    rest = len(changes) - len(shown)
    if rest:
        lines.append(f"{rest} more change" + ("s" if rest > 1 else ""))
    return "".join(f"{line}\n" for line in lines)


def _change_lines(change: Change, is_brief: bool) -> Iterator[str]:
    line = f"  {_mark(change)} {change.summary}"
    if is_brief and change.risks:
        line += f" ({', '.join(risk.code for risk in change.risks)})"
    has_values = change.code.endswith(_VALUE_SUFFIXES)
    # That the digest of another version is another one goes without its values.
    if has_values and not (is_brief and change.code == "digest-changed" and not change.risks):
        before, after = (_side(change, value) for value in (change.before, change.after))
        if before == after and isinstance(change.before, str) and isinstance(change.after, str):
            before, after = change.before, change.after  # Digests that look alike when shortened.
        if len(line) + len(before) + len(after) + 5 <= _WIDTH:
            yield f"{line}: {before} → {after}"
        else:
            yield from (line, f"      - {before}", f"      + {after}")
        return
    yield line
    if not is_brief and isinstance(change.after, dict):
        yield from _entry_lines(change.after)
    elif not is_brief and change.code == "digest-added":
        yield f"      + {one_line(change.after)}"


def sentence_of(change: Change) -> str:
    """Return a change on one line: what changed, the values if they are short, and the risks."""
    values = [change.before, change.after]
    shown = (
        ""
        if any(isinstance(value, dict) for value in values) or values == [None, None]
        else (f": {_side(change, change.before)} → {_side(change, change.after)}")
    )
    return change.summary + shown + "".join(f"; {risk.sentence}" for risk in change.risks)


def via_text(change: Change) -> str:
    """Return what reaches the distribution of a change, in a few words."""
    shown = ", ".join(map(one_line, change.via[:_MAX_NAMED]))
    rest = change.via_count - _MAX_NAMED
    return f"{shown} and {rest} more" if rest > 0 else shown


def _side(change: Change, value: Value) -> str:
    """Return what a value changed from or to; no target at all stands for all of them."""
    is_for_all = change.code == "targets-changed" and not value
    return "all" if is_for_all else one_line(value)


def _mark(change: Change) -> str:
    if change.level in ("high", "medium"):
        return "!"
    if change.code.endswith(("-added", "-included")):
        return "+"
    return "-" if change.code.endswith(("-removed", "-excluded")) else "~"


def _entry_lines(entry: Mapping[str, Value]) -> Iterator[str]:
    """Yield what an entry says, but for what is empty or false."""
    for field, value in entry.items():
        # What is pinned for each wheel tag has the tags as its fields.
        label = one_line(field)
        if isinstance(value, dict):
            for key, item in value.items():
                yield f"      {label}: {one_line(key)} {one_line(item)}"
        elif value:
            yield f"      {label}: {one_line(value)}"


def one_line(value: Value) -> str:
    """Return a value on one line: a plain word as it is, other text quoted and escaped.

    Of a digest both ends are shown.
    """
    if isinstance(value, str):
        if is_digest(value) or is_digest(value, "d1:"):
            return f"{value[:_DIGEST_START]}…{value[-_DIGEST_END:]}"
        quoted = quote(value)
        is_plain = quoted[1:-1] == value and value not in _CONSTANTS
        return value if is_plain and value and not set(value) & _NOT_PLAIN else quoted
    if value is None:
        return "none"
    if isinstance(value, (list, tuple)):
        return f"[{_members(list(map(one_line, value[:_MAX_MEMBERS])), len(value))}]"
    if isinstance(value, dict):
        members = [
            f"{one_line(key)}: {one_line(item)}"
            for key, item in itertools.islice(value.items(), _MAX_MEMBERS)
        ]
        return f"{{{_members(members, len(value))}}}"
    return write(value).strip()


def _members(shown: list[str], count: int) -> str:
    rest = [f"and {count - len(shown)} more"] if count > len(shown) else []
    return ", ".join(shown + rest)
