"""Where to look and what for, as a user names it, and what is installed there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coral_lock.errors import UsageError
from coral_lock.installed.site_scan import checked_directories
from coral_lock.record import Record

if TYPE_CHECKING:
    from coral_lock.installed.environment import EnvironmentInventory


class Place(Record):
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

    def _check(self) -> None:
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


def environment_at(place: Place) -> EnvironmentInventory:
    """Return what is installed at a place that isn't a wheelhouse.

    Raises:
        InputError: the interpreter or a directory can't be used.
    """
    # `verify` takes a place, and looks at the machine in another way.
    from coral_lock.installed.environment import EnvironmentInventory
    from coral_lock.probe.interpreter import ask_interpreter
    from coral_lock.targets.environment import this_markers

    if place.python is not None:
        interpreter = ask_interpreter(place.python)
        return EnvironmentInventory(interpreter.path, interpreter.markers)
    if place.site_packages:
        path = checked_directories(place.site_packages)
        return EnvironmentInventory(path, this_markers(), is_image=True)
    return EnvironmentInventory()
