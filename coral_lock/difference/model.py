"""A change between two locks, and the risks that it can have, as values."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from coral_lock.canonical_json import Value, join_path, quote
from coral_lock.record import Record

LEVELS = ("high", "medium", "low")
"""How much a risk weighs, the heaviest first."""


class Risk(Record):
    """Why a change deserves a second look; `sentence` has no full stop at its end."""

    code: str
    level: str
    sentence: str


RISKS = {
    code: Risk(code=code, level=level, sentence=sentence)
    for level, code, sentence in (
        ("high", "bytes-changed", "the version is the same, and the bytes are others"),
        ("high", "wheel-replaced", "the version is the same, and the wheel is another"),
        ("high", "entry-point-moved", "other code runs under the same id"),
        ("high", "unpinned", "no digest fixes the bytes"),
        ("high", "startup-file", "Python runs it at every start, whoever starts it"),
        ("high", "look-alike", "the name is easily taken for another one"),
        ("medium", "new-plugin", "code that didn't run before is activated"),
        ("medium", "order-changed", "plugins that stay are activated in another order"),
        ("medium", "suspicious-code", "what its code newly uses deserves a look"),
        ("medium", "unseen-code", "nobody knows what changed in it"),
        ("medium", "downgraded", "the older version may lack fixes"),
        ("medium", "digest-removed", "machines that need this wheel can't start"),
        ("medium", "new-distribution", "nothing required it before"),
        ("medium", "native-wheel", "there is native code where there was pure Python alone"),
        ("medium", "no-longer-optional", "if it fails, the start fails"),
        ("medium", "finding-accepted", "the start passes over what is accepted"),
        ("low", "new-command", "it can be run by its name, and hide another one of that name"),
        ("low", "major-version", "a new major version may break what relies on the old one"),
    )
}
"""All risks by their code, the heaviest first."""

_RANKS = {code: rank for rank, code in enumerate(RISKS)}


class Change(Record):
    """One difference between two locks.

    Attributes:
        code: the kind of the change.
        subject: the id, name or section that it is about.
        summary: what changed, without the values.
        place: the keys that lead to the changed value in the lock's document. That of an edge
            in `requires` or in `target_requires` is its list, its value one name. The order of
            activation follows from the whole document: its place is `plugins`, and the values
            are the ids between the first and the last that moved.
        distribution: the one whose change this is, None for what concerns the whole lock.
        before: the JSON value in the old lock, None standing for null and for an entry that
            isn't there, or an empty one that is left out.
        after: the one in the new lock.
        moved_from: the old place of a plugin that went from `plugins` to `excluded` or back.
        risks: the risks, the heaviest first.
        via: what reaches a distribution without plugins of its own: ids of plugins, sorted, then
            `host` and `program`; at most `MAX_VIA` of them.
        via_count: how many reach it.
    """

    code: str
    subject: str
    summary: str
    place: tuple[str, ...]
    distribution: str | None = None
    before: Value = None
    after: Value = None
    moved_from: tuple[str, ...] | None = None
    risks: tuple[Risk, ...] = ()
    via: tuple[str, ...] = ()
    via_count: int = 0

    @property
    def path(self) -> str:
        """The dotted path of `place`: `plugins["patches:x"].optional`."""
        return dotted(self.place)

    @property
    def level(self) -> str | None:
        """The level of the heaviest risk, None without any."""
        return self.risks[0].level if self.risks else None

    def to_dict(self) -> dict[str, Value]:
        """Return the change as a JSON object."""
        return {
            "code": self.code,
            "subject": self.subject,
            "distribution": self.distribution,
            "summary": self.summary,
            "path": self.path,
            "before": self.before,
            "after": self.after,
            "risks": [risk.to_dict() for risk in self.risks],
            "via": list(self.via),
            "via_count": self.via_count,
        }


def dotted(place: Iterable[str]) -> str:
    """Return keys as a dotted path."""
    return reduce(join_path, place, "")


MAX_VIA = 20


def by_weight(risk: Risk) -> int:
    """Return the key that sorts risks, the heaviest first."""
    return _RANKS[risk.code]


def literal(text: str) -> str:
    """Return `text` in backticks for use in a sentence, what is invisible in it escaped, and what
    would end it."""
    quoted = quote(text)[1:-1].replace("`", "\\u0060")
    return f"`{quoted}`"
