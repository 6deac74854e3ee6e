"""What is exported, as plain data: pinned distributions, their wheels, and for which targets."""

from __future__ import annotations

from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.targets.model import Target


class LockedWheel(Record):
    """The wheel that a digest of the lock stands for.

    Args:
        path: its file.
        file_name: the file's name, which installers read tags from.
        size: its size in bytes.
        sha256: the SHA-256 of the whole file, in hexadecimal.
    """

    path: str
    file_name: str
    size: int
    sha256: str


class Pin(Record):
    """A distribution to install.

    Args:
        name: the normalized name.
        version: the version.
        requires: the names that it requires, sorted.
        wheels: its wheels, sorted by file name; at least one.
        marker: the marker (PEP 508) under which it is to be installed, or None.
    """

    name: str
    version: str
    requires: tuple[str, ...]
    wheels: tuple[LockedWheel, ...]
    marker: str | None = None


class Installation(Record):
    """Everything that is to be installed.

    Args:
        pins: the distributions, sorted by name.
        python: the language version, `3.11`; None where targets differ in it.
        environments: the marker of each target, sorted; none without targets.
        told: hosts that the lock was only told of, so that they aren't among the pins.
    """

    pins: tuple[Pin, ...]
    python: str | None
    environments: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


def marker_of(target: Target) -> str:
    """Return the marker (PEP 508) that tells a target's machines from those of others.

    Which C library there is, and in which version, no marker can say.
    """
    from coral_lock.targets.environment import environment_of

    markers = environment_of(target).markers
    is_exact = target.python != target.language_version
    names = [
        "python_full_version" if is_exact else "python_version",
        "sys_platform",
        "platform_machine",
    ]
    return " and ".join(f"{name} == '{markers[name]}'" for name in names if markers[name])
