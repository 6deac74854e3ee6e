"""Two locks → what changed between them, by plugin and distribution, never by text line."""

from __future__ import annotations

from coral_lock.difference.change import Change
from coral_lock.difference.distributions import distribution_changes
from coral_lock.difference.plugins import plugin_changes
from coral_lock.lockfile.mapping import host_package_to_mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from coral_lock.lockfile.model import HostPackage, Lock

__all__ = ["Change", "difference"]


def difference(old: Lock, new: Lock) -> tuple[Change, ...]:
    """Return every difference between two locks; none if they are equal.

    The alarming ones come first: a digest that changed under the same version, an entry
    point that moved to another distribution or module, a plugin that is no longer optional,
    a distribution without digests or with a lower version. Within each half the changes of
    the whole lock come first, then those of each distribution and its plugins.
    """
    changes = (
        *_whole_lock_changes(old, new),
        *_host_changes("core", old.host.core, new.host.core),
        *_host_changes("inference", old.host.inference, new.host.inference),
        *distribution_changes(old, new),
        *plugin_changes(old, new),
    )
    return tuple(sorted(changes, key=_sort_key))


_SECTIONS = ("lock_version", "platform", "host", "distributions", "plugins", "excluded")


def _sort_key(change: Change) -> tuple[Any, ...]:
    """Order by alarm and distribution; what is left keeps the order in which it was found."""
    return (
        not change.is_alarming,
        change.distribution or "",
        _SECTIONS.index(change.place[0]),
        change.subject,
    )


def _whole_lock_changes(old: Lock, new: Lock) -> Iterator[Change]:
    for code, place, what, before, after in (
        ("format-changed", "lock_version", "format version", old.lock_version, new.lock_version),
        ("platform-changed", "platform", "platform", old.platform, new.platform),
        ("python-changed", "host.python", "version of Python", old.host.python, new.host.python),
    ):
        if before != after:
            yield Change(
                code=code,
                subject=place,
                summary=f"the {what} changed",
                place=tuple(place.split(".")),
                before=before,
                after=after,
            )


def _host_changes(role: str, old: HostPackage | None, new: HostPackage | None) -> Iterator[Change]:
    subject = f"host.{role}"
    place = ("host", role)
    if old and new:
        for field in ("distribution", "version"):
            before, after = getattr(old, field), getattr(new, field)
            if before != after:
                yield Change(
                    code="host-changed",
                    subject=subject,
                    summary=f"the {field} of the {role} host changed",
                    place=(*place, field),
                    before=before,
                    after=after,
                )
    elif old or new:
        yield Change(
            code="host-added" if new else "host-removed",
            subject=subject,
            summary=f"the version of the {role} host "
            + ("is known now" if new else "isn't known any more"),
            place=place,
            before=host_package_to_mapping(old),
            after=host_package_to_mapping(new),
        )
