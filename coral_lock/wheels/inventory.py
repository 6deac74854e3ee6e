"""The inventory of wheels that were chosen for a target, as if they were installed there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain

from coral_lock.errors import BrokenDistributionError, UnreadableSourceError
from coral_lock.inventory import BrokenDistribution, Distribution, Reporter, StatedFiles
from coral_lock.targets.environment import TargetEnvironment
from coral_lock.wheels.listing import HouseWheel, best_rank
from coral_lock.wheels.wheelhouse import Wheelhouse


@dataclass(frozen=True, slots=True)
class WheelhouseInventory:
    """One wheel of each distribution; an `inventory.Inventory`.

    Args:
        wheelhouse: where the wheels are.
        environment: the target that they are for.
        wheels: the wheels by the normalized names of their distributions.
    """

    wheelhouse: Wheelhouse
    environment: TargetEnvironment
    wheels: Mapping[str, HouseWheel]

    def plugin_distributions(self) -> tuple[Distribution | BrokenDistribution, ...]:
        """Return the distributions that declare plugins or are broken, sorted by name."""
        found = []
        for name in sorted(self.wheels):
            distribution = self.wheelhouse.distribution(self.wheels[name])
            if isinstance(distribution, BrokenDistribution) or distribution.entry_points:
                found.append(distribution)
        return tuple(found)

    def find(self, name: str) -> Distribution | BrokenDistribution | None:
        """Return the distribution of that normalized name, or None."""
        wheel = self.wheels.get(name)
        return None if wheel is None else self.wheelhouse.distribution(wheel)

    def read_source(self, name: str, path: str) -> bytes | None:
        """Return one of a distribution's own files by its path under the site root.

        Raises:
            UnreadableSourceError: it has more than 1 MiB, or isn't what the wheel states.
        """
        wheel = self.wheels.get(name)
        if wheel is None:
            return None
        try:
            return self.wheelhouse.read_source(wheel, path)
        except BrokenDistributionError as error:
            raise UnreadableSourceError(error.message, where=error.where) from None

    def digests(
        self, names: Sequence[str], reporter: Reporter
    ) -> Iterator[tuple[str, Mapping[str, str] | BrokenDistributionError]]:
        """Yield the digest of each wheel's files under its wheel tag.

        Raises:
            KeyError: there is no such distribution.
        """
        wheels = [self.wheels[name] for name in names]
        for contents, name in zip(self.wheelhouse.contents_of(wheels, reporter), names):
            if isinstance(contents, BrokenDistributionError):
                yield name, contents
            else:
                yield name, {contents.tag: contents.digest}

    def stated(self, name: str) -> StatedFiles:
        """Return the hashes of a wheel's files, which its RECORD states truly."""
        found = self.wheelhouse.contents(self.wheels[name])
        if isinstance(found, BrokenDistributionError):
            return StatedFiles()
        return StatedFiles(files=found.files, outside=found.outside, commands=found.commands)

    def outside_hashes(self, name: str) -> Mapping[str, str]:
        """Return the hashes of the scripts, headers and data.

        Raises:
            BrokenDistributionError: the wheel can't be used.
        """
        found = self.wheelhouse.contents(self.wheels[name])
        if isinstance(found, BrokenDistributionError):
            raise found
        return found.outside

    def marker_environment(self) -> Mapping[str, str]:
        """Return the marker environment of the target."""
        return self.environment.markers


class WheelhouseView:
    """The wheels that fit a target; an `inventory.ReleaseSource`.

    Where several wheels of one version fit, the best is taken: the one whose best tag the
    target prefers (PEP 425), then the highest build number, then the first file name. The
    Python versions that a wheel requires are left to the caller.

    Args:
        wheelhouse: where the wheels are.
        environment: the target.
    """

    def __init__(self, wheelhouse: Wheelhouse, environment: TargetEnvironment) -> None:
        self._wheelhouse = wheelhouse
        self._environment = environment
        ranks = {tag: rank for rank, tag in enumerate(environment.tags)}
        self._rank = cache(lambda tags: best_rank(tags, ranks))
        self._releases: dict[str, tuple[str, ...]] = {}

    def names(self) -> tuple[str, ...]:
        """Return the distributions of which there is any wheel, sorted."""
        return self._wheelhouse.names()

    def releases(self, name: str) -> tuple[str, ...]:
        """Return the versions that have a wheel which fits the target, the newest first.

        A version is written as the file name of its best wheel has it, normalized (PEP 440).
        """
        if name not in self._releases:
            versions = self._wheelhouse.versions(name)
            self._releases[name] = tuple(
                str(best.version)
                for version in sorted(versions, reverse=True)
                if (best := self._best_of(versions[version])) is not None
            )
        return self._releases[name]

    def unfitting(self, name: str) -> dict[str, str]:
        """Return the versions of the wheels that don't fit the target, by their file names."""
        return {
            wheel.file_name: str(wheel.version)
            for wheel in chain.from_iterable(self._wheelhouse.versions(name).values())
            if self._rank(wheel.tags) is None
        }

    def distribution_of(self, name: str, file_name: str) -> Distribution | BrokenDistribution:
        """Return what one of those wheels says of itself."""
        wheels = chain.from_iterable(self._wheelhouse.versions(name).values())
        found = next(wheel for wheel in wheels if wheel.file_name == file_name)
        return self._wheelhouse.distribution(found)

    def distribution(self, name: str, version: str) -> Distribution | BrokenDistribution:
        """Return what the wheel of a version says of itself; it is read once.

        Raises:
            KeyError: `releases` doesn't have the version.
        """
        wheel = self.wheel(name, version)
        if wheel is None:
            raise KeyError(name, version)
        return self._wheelhouse.distribution(wheel)

    def wheel(self, name: str, version: str) -> HouseWheel | None:
        """Return the best wheel of a version, in any spelling of it, or None."""
        return self._best_of(self._wheelhouse.wheels_of(name, version))

    def chosen(self, versions: Mapping[str, str]) -> WheelhouseInventory:
        """Return the inventory of just these versions, by name.

        A version without a wheel that fits the target is left out.
        """
        wheels = {
            name: wheel
            for name, version in sorted(versions.items())
            if (wheel := self.wheel(name, version)) is not None
        }
        return WheelhouseInventory(self._wheelhouse, self._environment, wheels)

    def marker_environment(self) -> Mapping[str, str]:
        """Return the environment (PEP 508) that requirements are evaluated for."""
        return self._environment.markers

    def _best_of(self, wheels: Iterable[HouseWheel]) -> HouseWheel | None:
        ranked = [(wheel, rank) for wheel in wheels if (rank := self._rank(wheel.tags)) is not None]
        best = max(ranked, key=lambda each: (-each[1], each[0].build), default=None)
        return best[0] if best else None
