"""One difference between two locks, as a value."""

from __future__ import annotations

from dataclasses import dataclass

from coral_lock.canonical_json import Value, join_path, quote


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One difference between two locks.

    `place` are the keys that lead to the changed value in the lock's document, and `before`
    and `after` are its JSON values there, None standing for null and for an entry that isn't
    there, or an empty one that is left out. The place of an edge in `requires` or in
    `target_requires` is its list, its value one name. A plugin that went from `plugins` to
    `excluded` or back has its old place in `moved_from`. `distribution` is the one whose change
    this is, None for what concerns the whole lock.
    """

    code: str
    subject: str
    summary: str
    place: tuple[str, ...]
    distribution: str | None = None
    before: Value = None
    after: Value = None
    moved_from: tuple[str, ...] | None = None
    is_alarming: bool = False

    @property
    def path(self) -> str:
        """The dotted path of `place`: `plugins["patches:x"].optional`."""
        path = ""
        for step in self.place:
            path = join_path(path, step)
        return path

    def to_dict(self) -> dict[str, Value]:
        """Return the change as a JSON object."""
        return {
            "code": self.code,
            "is_alarming": self.is_alarming,
            "subject": self.subject,
            "distribution": self.distribution,
            "summary": self.summary,
            "path": self.path,
            "before": self.before,
            "after": self.after,
        }


def literal(text: str) -> str:
    """Return `text` for use in a sentence, what is invisible in it escaped."""
    return f"`{quote(text)[1:-1]}`"
