"""What a lock is held against, as a user names it."""

from __future__ import annotations

from coral_lock.errors import UsageError
from coral_lock.targets.option import parse_target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.derive.place import Place
    from coral_lock.lockfile.model import Lock
    from coral_lock.verification.machine import Environment


def subject_of(place: Place, lock: Lock) -> tuple[Environment | None, str | None]:
    """Return what a lock is held against, and the name of the target that it has to be.

    Args:
        place: an environment or directories, with one target at the most; only for
            directories that may be `python=…,platform=…`.
        lock: the lock, which knows the targets by their names.

    Returns:
        The subject, None for this process, and the name of a target of the lock, None for
        the one that the subject is.

    Raises:
        InputError: the interpreter or a directory can't be used, the lock has no target of
            that name, or it isn't clear for which one a directory is.
        UsageError: the target can't be named like that.
    """
    text = next(iter(place.targets), None)
    parsed = None if text is None else parse_target(text)
    name = parsed if isinstance(parsed, str) else None
    if place.site_packages:
        from coral_lock.verification.environment import image_environment

        return image_environment(place.site_packages, lock, parsed), name
    if parsed is not None and name is None:
        raise UsageError(
            "what an interpreter runs on needs no description",
            found=text,
            hint="name one of the lock's targets",
        )
    if place.python is None:
        return None, name
    from coral_lock.probe.interpreter import ask_interpreter
    from coral_lock.verification.environment import interpreter_environment

    return interpreter_environment(ask_interpreter(place.python)), name
