"""What the pages say of everything that the code declares: a finding, a field of the lock.

What is declared and isn't on its page yet gets a section or a row there, with the words of the
declaration. What a reader should do about it is for a person to add.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from coral_lock.errors import INTEGRITY
from coral_lock.finding import CODES
from coral_lock.lockfile.entries import (
    FIELDS,
    Entry,
    ExcludedPlugin,
    LockedDistribution,
    LockedPlugin,
)
from coral_lock.lockfile.model import Lock

_ENTRIES: Mapping[type[Entry], tuple[str, str | None]] = {
    Lock: ("## Fields", None),
    LockedPlugin: ("### `plugins`", "plugin"),
    ExcludedPlugin: ("### `excluded`", "excluded"),
    LockedDistribution: ("### `distributions`", "distribution"),
}
"""The heading of each kind of entry in `docs/lock-format.md`, and its name in the schema."""


def with_findings(page: str) -> str:
    """Return `docs/findings.md`, or a translation, with a section for each finding.

    A new one follows the others that say that bytes differ, or else all others.
    """
    chapters = re.split(r"(?m)^(?=## )", page.removesuffix("\n"))
    known = set(re.findall(r"(?m)^### (.+)$", page))
    for code in sorted(CODES.keys() - known):
        index = 1 if CODES[code].exit_code == INTEGRITY else len(chapters) - 1
        section = f"\n\n### {code}\n\n{CODES[code].meaning}"
        body = chapters[index].rstrip("\n")
        chapters[index] = body + section + chapters[index][len(body) :]
    return "".join(chapters) + "\n"


def with_fields(page: str, schema: Mapping[str, Any]) -> str:
    """Return `docs/lock-format.md` with a row for each field, in the words of the schema."""
    for entry, (heading, name) in _ENTRIES.items():
        described = schema["$defs"][name] if name else schema
        for field in FIELDS[entry]:
            if re.search(rf"`(host\.)?{field.name}[`.]", page):
                continue
            member = described["properties"][field.name]
            kinds = member.get("type", "object")
            kind = kinds if isinstance(kinds, str) else " or ".join(kinds)
            row = f"| `{field.name}` | {kind} | {member['description']} |\n"
            table = re.search(rf"(?ms)^{re.escape(heading)}\n.*?\n\|.*?\n(?!\|)", page)
            assert table is not None, heading
            page = page[: table.end()] + row + page[table.end() :]
    return page
