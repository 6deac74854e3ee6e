"""Where to look and what for, as a user names it."""

from __future__ import annotations

from dataclasses import dataclass

from coral_lock.descriptor.model import Descriptor
from coral_lock.errors import InputError, UsageError
from coral_lock.lockfile.model import Lock
from coral_lock.targets.model import Target
from coral_lock.targets.option import parse_target
from coral_lock.verification.environment import image_environment, interpreter_environment
from coral_lock.verification.machine import Environment


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where distributions are; the environment that runs this if nothing is named.

    Args:
        python: an interpreter or the directory of a virtual environment.
        wheels: directories of wheels.
        site_packages: directories into which distributions are installed.
        targets: names of the descriptor's targets that are inspected, or
            `python=…,platform=…` in place of the descriptor's; none means all of the
            descriptor's.

    Raises:
        UsageError: more than one kind of place is named.
    """

    python: str | None = None
    wheels: tuple[str, ...] = ()
    site_packages: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        kinds = {
            "--python": self.python,
            "--wheels": self.wheels,
            "--site-packages": self.site_packages,
        }
        named = [f"`{flag}`" for flag, value in kinds.items() if value]
        if len(named) > 1:
            raise UsageError(
                f"{' and '.join(named)} are mutually exclusive",
                expected="one of them",
                hint="omit all but one",
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedTargets:
    """The targets of a lock.

    Args:
        every: all targets of the lock, sorted by name.
        inspected: those that are inspected, sorted by name; all, unless some were named.
    """

    every: tuple[Target, ...]
    inspected: tuple[Target, ...]


def targets_of(place: Place, descriptor: Descriptor) -> WantedTargets:
    """Return the targets for which a place is inspected; none at all if none is named.

    Raises:
        InputError: the descriptor has no target of a name.
        UsageError: two targets have one name, or a target isn't well-formed.
    """
    declared = {target.name: target for target in descriptor.targets}
    found: dict[str, Target] = {}
    is_described = False
    for text in place.targets:
        parsed = parse_target(text)
        is_described |= isinstance(parsed, Target)
        target = parsed if isinstance(parsed, Target) else declared.get(parsed)
        if target is None:
            raise InputError(
                f"the descriptor has no target `{text}`",
                expected=", ".join(sorted(declared)) or "`targets` in the descriptor",
                hint=("use one of those, or" if declared else "use")
                + " `--target python=3.11,platform=linux_aarch64`",
            )
        if target.name in found:
            raise UsageError(
                f"two targets have the name `{target.name}`",
                hint="rename one: `--target name=…,python=…,platform=…`",
            )
        found[target.name] = target
    named = tuple(found[name] for name in sorted(found))
    return WantedTargets(
        every=named if is_described else descriptor.targets,
        inspected=named or descriptor.targets,
    )


def subject_of(place: Place, lock: Lock) -> tuple[Environment | None, str | None]:
    """Return what a lock is verified against, and the name of the target that it has to be.

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
        UsageError: a target is described for an interpreter.
    """
    text = next(iter(place.targets), None)
    parsed = None if text is None else parse_target(text)
    name = parsed if isinstance(parsed, str) else None
    if place.site_packages:
        return image_environment(place.site_packages, lock, parsed), name
    if parsed is not None and name is None:
        raise UsageError(
            "an interpreter's target can't be described",
            found=text,
            hint="pass the name of one of the lock's targets",
        )
    if place.python is None:
        return None, name
    from coral_lock.probe.interpreter import ask_interpreter

    return interpreter_environment(ask_interpreter(place.python)), name
