"""Lines before and after → the hunks of a unified diff, and what it takes to find them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

_CONTEXT = 3
_MAX_LINE = 200


def steps_of(before: Sequence[str], after: Sequence[str]) -> int:
    """Return how many steps `SequenceMatcher` takes at the most."""
    _, old, new = _trimmed(before, after)
    counts = Counter(new)
    popular = len(new) // 100 + 1 if len(new) >= 200 else len(new)
    pairs = sum(count for line in old if (count := counts[line]) <= popular)
    return len(old) + len(new) + pairs * min(len(old), len(new))


def hunks_of(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """Yield the hunks of a unified diff (GNU diffutils), without the lines that name files."""
    first, old, new = _trimmed(before, after)
    if old == new:
        return
    for group in SequenceMatcher(None, old, new).get_grouped_opcodes(_CONTEXT):
        _, old_start, _, new_start, _ = group[0]
        _, _, old_end, _, new_end = group[-1]
        ranges = (
            _range(first + old_start, first + old_end),
            _range(first + new_start, first + new_end),
        )
        yield f"@@ -{ranges[0]} +{ranges[1]} @@"
        for tag, start, end, other_start, other_end in group:
            if tag == "equal":
                yield from (" " + _cut(line) for line in old[start:end])
            else:
                yield from ("-" + _cut(line) for line in old[start:end])
                yield from ("+" + _cut(line) for line in new[other_start:other_end])


def _trimmed(
    before: Sequence[str], after: Sequence[str]
) -> tuple[int, Sequence[str], Sequence[str]]:
    """Return the lines between what both begin and end with, with some context, and where
    they begin."""
    shorter = min(len(before), len(after))
    start = 0
    while start < shorter and before[start] == after[start]:
        start += 1
    end = 0
    while end < shorter - start and before[-1 - end] == after[-1 - end]:
        end += 1
    first, rest = max(0, start - _CONTEXT), max(0, end - _CONTEXT)
    return first, before[first : len(before) - rest], after[first : len(after) - rest]


def _range(start: int, end: int) -> str:
    length = end - start
    beginning = start + 1 if length else start
    return f"{beginning}" if length == 1 else f"{beginning},{length}"


def _cut(line: str) -> str:
    if len(line) <= _MAX_LINE:
        return line
    return f"{line[:_MAX_LINE]}… ({len(line):,} characters)"
