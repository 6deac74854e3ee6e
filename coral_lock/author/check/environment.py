"""The environment or wheelhouse in which `plugins check` finds distributions by their names."""

from __future__ import annotations

from collections.abc import Iterator

from coral_lock.derive.place import Place
from coral_lock.errors import UsageError
from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.installed.site_directories import checked_directories
from coral_lock.inventory import BrokenDistribution, Distribution
from coral_lock.names import plugin_id
from coral_lock.probe.interpreter import ask_interpreter
from coral_lock.targets.environment import this_environment
from coral_lock.wheels.inventory import WheelhouseView
from coral_lock.wheels.wheel_name import HouseWheel
from coral_lock.wheels.wheelhouse import Wheelhouse


class Environment:
    """Where distributions are found by their names, and which plugins they offer.

    Args:
        place: the Python, wheelhouse or site directories of the command line; by default this
            environment.

    Raises:
        InputError: the place can't be opened.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self.inventory = None if place.wheels else _inventory(place)
        self._wheelhouse = Wheelhouse(place.wheels) if place.wheels else None

    def plugins(self) -> frozenset[str]:
        """Return the ids of all plugins, as far as entry points are named like their plugins."""
        return frozenset(
            plugin_id(entry_point.group, entry_point.name)
            for distribution in self._distributions()
            if isinstance(distribution, Distribution)
            for entry_point in distribution.entry_points
        )

    def wheel(self, name: str) -> str | None:
        """Return the file of the newest wheel of a distribution; None where there is none.

        Of several for one version it is the one that this interpreter would install, else
        the first by its file name.
        """
        wheel = None if self._wheelhouse is None else _newest(self._wheelhouse, name)
        return None if wheel is None else wheel.path

    def refuse_running(self) -> None:
        """Refuse to run plugins of another interpreter or machine.

        Raises:
            UsageError: the command line names one.
        """
        for option, named in (
            ("--python", self._place.python),
            ("--site-packages", self._place.site_packages),
        ):
            if named:
                raise UsageError(
                    f"`--run` and `{option}` are mutually exclusive: plugins are run with this "
                    "interpreter",
                    hint="omit `--run`, or install coral-lock there and run the check there",
                )

    def _distributions(self) -> Iterator[Distribution | BrokenDistribution]:
        if self.inventory is not None:
            yield from self.inventory.plugin_distributions()
        elif self._wheelhouse is not None:
            for name in self._wheelhouse.names():
                wheel = _newest(self._wheelhouse, name)
                if wheel is not None:
                    yield self._wheelhouse.distribution(wheel)


def _inventory(place: Place) -> EnvironmentInventory:
    if place.python is not None:
        interpreter = ask_interpreter(place.python)
        return EnvironmentInventory(interpreter.path, interpreter.environment)
    if place.site_packages:
        path = checked_directories(place.site_packages)
        return EnvironmentInventory(path, this_environment(), is_image=True)
    return EnvironmentInventory()


def _newest(wheelhouse: Wheelhouse, name: str) -> HouseWheel | None:
    versions = wheelhouse.versions(name)
    if not versions:
        return None
    newest = max(versions)
    fitting = WheelhouseView(wheelhouse, this_environment()).wheel(name, str(newest))
    return fitting or versions[newest][0]
