"""What a wheelhouse offers one target."""

from __future__ import annotations

from coral_lock.inventory import Release
from coral_lock.wheels.inventory import WheelhouseInventory
from coral_lock.wheels.wheel_name import best_rank

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.version import Version

    from coral_lock.inventory import FoundDistribution
    from coral_lock.targets.environment import TargetEnvironment
    from coral_lock.wheels.wheel_name import HouseWheel
    from coral_lock.wheels.wheelhouse import Wheelhouse


class WheelhouseView:
    """The wheels that fit a target; an `inventory.ReleaseSource`.

    Where several wheels of one version fit, the best is taken: one that isn't yanked, then
    the one whose best tag the target prefers (PEP 425), then the highest build number, then
    the first file name. The Python versions that a wheel requires are left to the caller.

    Args:
        wheelhouse: where the wheels are.
        environment: the target.
    """

    def __init__(self, wheelhouse: Wheelhouse, environment: TargetEnvironment) -> None:
        self._wheelhouse = wheelhouse
        self._environment = environment
        self._tag_ranks = {tag: rank for rank, tag in enumerate(environment.tags)}
        self._known_ranks: dict[str, int | None] = {}
        self._best: dict[str, dict[Version, HouseWheel]] = {}

    def names(self) -> tuple[str, ...]:
        """Return the distributions of which there is any wheel, sorted."""
        return self._wheelhouse.names()

    def releases(self, name: str) -> tuple[Release, ...]:
        """Return the versions that have a wheel which fits the target, the newest first.

        A version is written as the file name of its best wheel has it, normalized (PEP 440).
        """
        return tuple(
            Release(version=str(wheel.version), is_yanked=wheel.is_yanked)
            for wheel in self._best_wheels(name).values()
        )

    def unfitting(self, name: str) -> tuple[str, ...]:
        """Return the file names of the wheels that don't fit the target, sorted."""
        return tuple(
            sorted(
                wheel.file_name
                for wheels in self._wheelhouse.versions(name).values()
                for wheel in wheels
                if self._rank(wheel) is None
            )
        )

    def distribution(self, name: str, version: str) -> FoundDistribution:
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
        wheels = {name: self.wheel(name, version) for name, version in sorted(versions.items())}
        return WheelhouseInventory(
            self._wheelhouse,
            self._environment,
            {name: wheel for name, wheel in wheels.items() if wheel is not None},
        )

    def python_version(self) -> str:
        """Return the language version of the target, `3.11`."""
        return self._environment.python

    def marker_environment(self) -> Mapping[str, str]:
        """Return the environment (PEP 508) that requirements are evaluated for."""
        return self._environment.markers

    def _best_wheels(self, name: str) -> Mapping[Version, HouseWheel]:
        """Return the best wheel of each version that has one, the newest version first."""
        if name not in self._best:
            versions = self._wheelhouse.versions(name)
            best = {
                version: self._best_of(versions[version])
                for version in sorted(versions, reverse=True)
            }
            self._best[name] = {
                version: wheel for version, wheel in best.items() if wheel is not None
            }
        return self._best[name]

    def _best_of(self, wheels: Iterable[HouseWheel]) -> HouseWheel | None:
        best, best_key = None, None
        for wheel in wheels:
            rank = self._rank(wheel)
            if rank is None:
                continue
            key = (not wheel.is_yanked, -rank, wheel.build)
            if best_key is None or key > best_key:
                best, best_key = wheel, key
        return best

    def _rank(self, wheel: HouseWheel) -> int | None:
        if wheel.tags not in self._known_ranks:
            self._known_ranks[wheel.tags] = best_rank(wheel.tags, self._tag_ranks)
        return self._known_ranks[wheel.tags]
