"""The hosts: which of their versions can be chosen, and which are told."""

from __future__ import annotations

from coral_lock.choose.demand import Demand, Incoming, Source
from coral_lock.lockfile.model import Host, HostPackage
from coral_lock.names import CORE_DISTRIBUTION, INFERENCE_DISTRIBUTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from coral_lock.choose.releases import Releases

_NAMES = {"core": (CORE_DISTRIBUTION,), "inference": INFERENCE_DISTRIBUTIONS}


class HostVersions:
    """The hosts of which there are wheels, and the versions that somebody told.

    Args:
        releases: what there is.
        core_version: the version of the core host that is told, or None.
        inference_version: the version of the inference host that is told, or None.
    """

    def __init__(
        self, releases: Releases, core_version: str | None, inference_version: str | None
    ) -> None:
        self._releases = releases
        self._told = {"core": core_version, "inference": inference_version}
        self._roles = {
            name: role
            for role, names in _NAMES.items()
            for name in names
            if releases.versions(name)
        }
        self.names = tuple(sorted(self._roles))

    def provided(self) -> dict[str, dict[str, str]]:
        """Return by target the told versions of hosts that have no wheel there."""
        return {
            target: {
                _NAMES[role][0]: told
                for role, told in self._told.items()
                if told and self._leading(role, target) is None
            }
            for target in self._releases.targets
        }

    def allowed(self, name: str) -> frozenset[str]:
        """Return the versions of a host that may be chosen: the told one, if it is there."""
        versions = self._releases.versions(name)
        told = self._told[self._roles[name]]
        if told:
            wanted = self._releases.parsed(told)
            pinned = frozenset(
                version
                for version in versions
                if version == told or (wanted and self._releases.parsed(version) == wanted)
            )
            if pinned:
                return pinned
        return frozenset(versions)

    def is_open(self) -> bool:
        """Whether there are several versions of any host to choose from."""
        return any(len(self.allowed(name)) > 1 for name in self.names)

    def greatest(self) -> dict[str, str]:
        """Return the greatest version of each host that can be chosen, by name."""
        chosen = {}
        for name in self.names:
            allowed = self.allowed(name)
            newest = [each for each in self._releases.newest_first(name) if each in allowed]
            sound = [
                each
                for each in newest
                if len(allowed) == 1 or not self._releases.is_yanked(name, each)
            ]
            chosen[name] = (sound or newest)[0]
        return chosen

    def roots(self, pinned: Mapping[str, str]) -> list[Incoming]:
        """Return the demands that hosts with wheels be there, some at one version."""
        roots: list[Incoming] = []
        for name in self.names:
            allowed = frozenset({pinned[name]}) if name in pinned else self.allowed(name)
            told = self._told[self._roles[name]]
            is_one = len(allowed) == 1 and (name in pinned or told is not None)
            roots.extend(
                Incoming(
                    demand=Demand(
                        name=name,
                        target=target,
                        allowed=allowed,
                        takes_prereleases=is_one,
                        is_pin=is_one,
                        text=f"{name}=={next(iter(allowed))}" if is_one else name,
                    ),
                    source=Source(),
                )
                for target in self._releases.targets_with(name)
            )
        return roots

    def at(self, target: str, versions: Mapping[str, str]) -> Host:
        """Return the host of a target where some versions are chosen."""
        return Host(
            core=self._package("core", target, versions),
            inference=self._package("inference", target, versions),
            python=self._releases.sources[target].python_version(),
        )

    def at_least(self, role: str, required: str, target: str) -> Demand | None:
        """Return the demand of a host's least version, None where it isn't open to choice."""
        name = self._leading(role, target)
        least = self._releases.parsed(required)
        if name is None or least is None:
            return None
        parsed = {each: self._releases.parsed(each) for each in self._releases.versions(name)}
        return Demand(
            name=name,
            target=None,
            allowed=frozenset(
                text for text, version in parsed.items() if version is not None and version >= least
            ),
            text=f"{name}>={required}",
        )

    def _leading(self, role: str, target: str) -> str | None:
        """Return the name under which a host has a wheel for a target; the first one counts."""
        return next((name for name in _NAMES[role] if self._releases.at(name, target)), None)

    def _package(self, role: str, target: str, versions: Mapping[str, str]) -> HostPackage | None:
        for name in _NAMES[role]:
            version = versions.get(name)
            if version is not None and version in self._releases.at(name, target):
                return HostPackage(distribution=name, version=version)
        told = self._told[role]
        return HostPackage(distribution=_NAMES[role][0], version=told) if told else None
