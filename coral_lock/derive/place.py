"""Where to look and what for, as a user names it."""

from __future__ import annotations

from coral_lock.errors import InputError, UsageError
from coral_lock.record import Record
from coral_lock.targets.model import Target
from coral_lock.targets.option import parse_target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.descriptor.model import Descriptor


class Place(Record):
    """Where distributions are; nothing at all stands for the environment that runs this.

    Args:
        python: an interpreter or the directory of a virtual environment.
        wheels: directories of wheels.
        site_packages: directories into which distributions are installed.
        targets: names of the descriptor's targets, at which alone it is looked, or
            `python=…,platform=…` in place of the descriptor's; none stands for all of the
            descriptor's.

    Raises:
        UsageError: more than one kind of place is named.
    """

    python: str | None = None
    wheels: tuple[str, ...] = ()
    site_packages: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()

    def _check(self) -> None:
        kinds = {
            "--python": self.python,
            "--wheels": self.wheels,
            "--site-packages": self.site_packages,
        }
        named = [flag for flag, value in kinds.items() if value]
        if len(named) > 1:
            raise UsageError(
                f"{' and '.join(f'`{flag}`' for flag in named)} can't go together",
                expected="one of them",
                hint="leave all but one out",
            )


class WantedTargets(Record):
    """What a lock is to be for.

    Args:
        every: all targets of the lock, sorted by name.
        looked_at: the names of those that are looked at; all, unless names were given.
    """

    every: tuple[Target, ...]
    looked_at: tuple[str, ...]

    def chosen(self) -> tuple[Target, ...]:
        """Return the targets that are looked at, sorted by name."""
        return tuple(target for target in self.every if target.name in self.looked_at)


def targets_of(place: Place, descriptor: Descriptor) -> WantedTargets:
    """Return the targets that a place is looked at for; none at all if none is named.

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
                hint=("name one of those, or write" if declared else "write")
                + " `--target python=3.11,platform=linux_aarch64`",
            )
        if target.name in found:
            raise UsageError(
                f"two targets are called `{target.name}`",
                hint="give one another name: `--target name=…,python=…,platform=…`",
            )
        found[target.name] = target
    named = tuple(sorted(found))
    every = tuple(found[name] for name in named) if is_described else descriptor.targets
    return WantedTargets(
        every=every, looked_at=named or tuple(target.name for target in descriptor.targets)
    )
