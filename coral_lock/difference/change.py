"""One difference between two locks, as a value."""

from __future__ import annotations

from coral_lock.canonical_json import join_path, quote
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from coral_lock.canonical_json import Value

CHANGES: Mapping[str, str] = {
    "acceptance-added": "A finding about a distribution is accepted.",
    "acceptance-removed": "A finding about a distribution is no longer accepted.",
    "after-changed": "A plugin is activated after other plugins than before.",
    "attribute-changed": "A plugin's entry point names another attribute of the same module.",
    "core-requirement-changed": "A plugin requires another version of the core.",
    "description-changed": "A plugin describes itself differently.",
    "digest-added": "A distribution is pinned for another wheel tag.",
    "digest-changed": "The bytes of a distribution for one wheel tag changed.",
    "digest-removed": "A distribution is no longer pinned for a wheel tag.",
    "distribution-added": "A distribution is new.",
    "distribution-removed": "A distribution is gone.",
    "entry-point-moved": "A plugin's entry point moved to another module.",
    "env-changed": "A plugin needs other environment variables.",
    "exclusion-added": "A plugin that wasn't known is left out.",
    "exclusion-changed": "A plugin is left out for another reason.",
    "exclusion-removed": "A plugin that was left out isn't there any more.",
    "format-changed": "The lock is written in another format version.",
    "host-added": "A host's version is known now.",
    "host-changed": "A host's version or distribution changed.",
    "host-removed": "A host's version isn't known any more.",
    "inference-requirement-changed": "A plugin requires another version of inference.",
    "no-longer-optional": "A plugin that fails now fails the start.",
    "now-optional": "A plugin that fails no longer fails the start.",
    "overrides-changed": "A plugin brings other configuration along.",
    "platform-changed": "The lock is for another platform.",
    "plugin-added": "A plugin is new.",
    "plugin-excluded": "A plugin that was activated is left out.",
    "plugin-included": "A plugin that was left out is activated.",
    "plugin-moved": "A plugin comes from another distribution.",
    "plugin-removed": "A plugin is gone.",
    "program-requirement-added": "The program itself requires a distribution.",
    "program-requirement-removed": "The program itself no longer requires a distribution.",
    "python-changed": "The lock is for another version of Python.",
    "requirement-added": "A distribution requires one more distribution, perhaps for one target.",
    "requirement-removed": "A distribution no longer requires a distribution.",
    "target-added": "The lock is for one more target.",
    "target-changed": "A target has another Python or platform.",
    "target-removed": "The lock isn't for a target any more.",
    "targets-changed": "A plugin or a distribution is for other targets than before.",
    "unpinned": "A distribution has no digest any more: its bytes aren't fixed.",
    "version-changed": "A distribution's version is written differently, or can't be compared.",
    "version-downgraded": "A distribution's version went down.",
    "version-upgraded": "A distribution's version went up.",
}
"""Every code and what it means; the documentation lists them from here."""


class Change(Record):
    """One difference between two locks.

    `place` are the keys that lead to the changed value in the lock's document, and `before`
    and `after` are its JSON values there, None standing for null and for an entry that isn't
    there, or an empty one that is left out. The place of an edge in `requires` or in
    `target_requires` is its list, its value one name. A plugin that went
    from `plugins` to `excluded` or back stood at `moved_from`, where it isn't any more.
    `distribution` is the one whose change this is, None for what concerns the whole lock.
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

    def _check(self) -> None:
        if self.code not in CHANGES:
            raise ValueError(f"unknown change code `{self.code}`")

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
