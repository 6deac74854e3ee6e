"""The inventory of wheels that were chosen for a target, as if they were installed there."""

from __future__ import annotations

import itertools

from coral_lock.errors import BrokenDistributionError, UnreadableSourceError
from coral_lock.inventory import BrokenDistribution, Outside
from coral_lock.reporter import Reporter
from coral_lock.wheels.hashing import in_threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from coral_lock.inventory import FoundDistribution
    from coral_lock.targets.environment import TargetEnvironment
    from coral_lock.wheels.contents import WheelContents
    from coral_lock.wheels.hashing import WheelFile
    from coral_lock.wheels.wheel_name import HouseWheel
    from coral_lock.wheels.wheelhouse import Wheelhouse

MAX_SOURCE_BYTES = 1 << 20


class WheelhouseInventory:
    """One wheel of each distribution; an `inventory.Inventory`.

    Args:
        wheelhouse: where the wheels are.
        environment: the target that they are for.
        wheels: the wheels by the normalized names of their distributions.
    """

    def __init__(
        self,
        wheelhouse: Wheelhouse,
        environment: TargetEnvironment,
        wheels: Mapping[str, HouseWheel],
    ) -> None:
        self._wheelhouse = wheelhouse
        self._environment = environment
        self._wheels = wheels

    def plugin_distributions(self) -> tuple[FoundDistribution, ...]:
        """Return the distributions that declare plugins or are broken, sorted by name."""
        found = []
        for name in sorted(self._wheels):
            distribution = self._wheelhouse.distribution(self._wheels[name])
            if isinstance(distribution, BrokenDistribution) or distribution.entry_points:
                found.append(distribution)
        return tuple(found)

    def find(self, name: str) -> FoundDistribution | None:
        """Return the distribution of that normalized name, or None."""
        wheel = self._wheels.get(name)
        return None if wheel is None else self._wheelhouse.distribution(wheel)

    def read_source(self, name: str, path: str) -> bytes | None:
        """Return one of a distribution's own files by its path under the site root.

        Raises:
            UnreadableSourceError: it has more than 1 MiB, or isn't what the wheel states.
        """
        wheel = self._wheels.get(name)
        if wheel is None:
            return None
        try:
            return self._wheelhouse.read_source(wheel, path, MAX_SOURCE_BYTES)
        except BrokenDistributionError as error:
            raise UnreadableSourceError(error.message, where=error.where) from None

    def digests(
        self, names: Sequence[str], reporter: Reporter
    ) -> Iterator[tuple[str, Mapping[str, str] | BrokenDistributionError]]:
        """Yield the digest of each wheel's files under its wheel tag.

        Raises:
            KeyError: there is no such distribution.
        """
        for name, contents in self._all_contents(names, reporter):
            if isinstance(contents, BrokenDistributionError):
                yield name, contents
            else:
                yield name, {contents.tag: contents.digest}

    def stated_files(self, name: str) -> Mapping[str, str]:
        """Return the hashes of a wheel's files, which its RECORD states truly."""
        contents = self._contents(name)
        return {} if isinstance(contents, BrokenDistributionError) else contents.files

    def outside(self, name: str) -> Outside:
        """Return what a wheel puts outside of the site root."""
        contents = self._contents(name)
        if isinstance(contents, BrokenDistributionError):
            return Outside(stated={}, commands=())
        return Outside(stated=contents.outside, commands=contents.commands)

    def outside_hashes(self, name: str) -> Mapping[str, str]:
        """Return the hashes of the scripts, headers and data.

        Raises:
            BrokenDistributionError: the wheel can't be used.
        """
        return self._wheelhouse.contents(self._wheels[name]).outside

    def wheel(self, name: str) -> WheelFile:
        """Return a distribution's wheel as a file, with the SHA-256 of all of it.

        Raises:
            KeyError: there is no such distribution.
            BrokenDistributionError: the wheel can't be used.
        """
        return self._wheelhouse.file(self._wheels[name])

    def python_version(self) -> str:
        """Return the language version of the target, `3.11`."""
        return self._environment.python

    def marker_environment(self) -> Mapping[str, str]:
        """Return the marker environment of the target."""
        return self._environment.markers

    def _all_contents(
        self, names: Sequence[str], reporter: Reporter
    ) -> Iterator[tuple[str, WheelContents | BrokenDistributionError]]:
        costs = {name: self._wheelhouse.cost(self._wheels[name]) for name in names}
        done = itertools.count(1)

        def read(name: str) -> WheelContents | BrokenDistributionError:
            contents = self._contents(name)
            reporter.hashing(name, next(done), len(names))
            return contents

        yield from in_threads(read, costs, names)
        self._wheelhouse.save()

    def _contents(self, name: str) -> WheelContents | BrokenDistributionError:
        try:
            return self._wheelhouse.contents(self._wheels[name])
        except BrokenDistributionError as error:
            return error
