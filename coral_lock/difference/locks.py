"""Two locks → what changed between them, by plugin and distribution, never by text line."""

from __future__ import annotations

from coral_lock.difference.change import Change, literal
from coral_lock.difference.distributions import distribution_changes
from coral_lock.difference.plugins import plugin_changes
from coral_lock.lockfile.mapping import host_package_to_mapping, target_to_mapping

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
        *_target_changes(old, new),
        *distribution_changes(old, new),
        *plugin_changes(old, new),
    )
    return tuple(sorted(changes, key=_sort_key))


_SECTIONS = ("lock_version", "platform", "host", "targets", "distributions", "plugins", "excluded")


def _sort_key(change: Change) -> tuple[Any, ...]:
    """Order by alarm and distribution; what is left keeps the order in which it was found."""
    return (
        not change.is_alarming,
        change.distribution or "",
        _SECTIONS.index(change.place[0]),
        change.subject,
    )


def _whole_lock_changes(old: Lock, new: Lock) -> Iterator[Change]:
    if new.host.python is None:
        python_summary = "the targets say the version of Python now"
    elif old.host.python is None:
        python_summary = "the host says the version of Python now"
    else:
        python_summary = "the version of Python changed"
    old_python, new_python = old.host.python, new.host.python
    for code, place, summary, before, after in (
        (
            "format-changed",
            "lock_version",
            "the format version changed",
            old.lock_version,
            new.lock_version,
        ),
        ("platform-changed", "platform", "the platform changed", old.platform, new.platform),
        ("python-changed", "host.python", python_summary, old_python, new_python),
    ):
        if before != after:
            yield Change(
                code=code,
                subject=place,
                summary=summary,
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


def _target_changes(old: Lock, new: Lock) -> Iterator[Change]:
    old_targets = {target.name: target for target in old.targets}
    new_targets = {target.name: target for target in new.targets}
    for name in sorted(old_targets.keys() | new_targets.keys()):
        before, after = old_targets.get(name), new_targets.get(name)
        subject = f"the target {literal(name)}"
        if before and after:
            for field in ("python", "platform"):
                if getattr(before, field) != getattr(after, field):
                    yield Change(
                        code="target-changed",
                        subject=name,
                        summary=f"{subject} has another {field.replace('python', 'Python')}",
                        place=("targets", name, field),
                        before=getattr(before, field),
                        after=getattr(after, field),
                    )
        else:
            yield Change(
                code="target-added" if after else "target-removed",
                subject=name,
                summary=f"{subject} is {'added' if after else 'removed'}",
                place=("targets", name),
                before=target_to_mapping(before) if before else None,
                after=target_to_mapping(after) if after else None,
            )
