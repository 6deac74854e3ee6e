"""What a problem is made from: releases, their requirements and plugins, and the hosts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from coral_lock.descriptor.model import Descriptor, HostVersions
from coral_lock.lockfile.entries import Host, HostPackage
from coral_lock.names import CORE_DISTRIBUTION, INFERENCE_DISTRIBUTIONS
from coral_lock.resolver.plugin_index import PluginIndex
from coral_lock.resolver.problem import DeclaredRequirements
from coral_lock.resolver.releases import Releases
from coral_lock.resolver.requirements import Requirement, RequirementInformation, Source

_NAMES = {"core": (CORE_DISTRIBUTION,), "inference": INFERENCE_DISTRIBUTIONS}


class Hosts:
    """The hosts that have wheels, and the versions that the user gave.

    Args:
        releases: the versions to choose from.
        given: the hosts' versions that the command line or the descriptor gives.
    """

    def __init__(self, releases: Releases, given: HostVersions) -> None:
        self._releases = releases
        self._given = {"core": given.core, "inference": given.inference}
        roles = {name: role for role, names in _NAMES.items() for name in names}
        self.names = tuple(sorted(name for name in roles if releases.versions(name)))
        self._allowed = {name: self._find_allowed(name, self._given[roles[name]]) for name in roles}
        self._is_given = {name: self._given[roles[name]] is not None for name in roles}

    def provided(self) -> dict[str, dict[str, str]]:
        """Return by target the given versions of hosts that have no wheel there."""
        return {
            target: {
                _NAMES[role][0]: given
                for role, given in self._given.items()
                if given and self._leading(role, target) is None
            }
            for target in self._releases.targets
        }

    def is_open(self) -> bool:
        """Whether there are several versions of any host to choose from."""
        return any(len(self._allowed[name]) > 1 for name in self.names)

    def newest(self) -> dict[str, str]:
        """Return the newest version of each host that can be chosen, by name."""
        chosen = {}
        for name in self.names:
            allowed = self._allowed[name]
            newest = [each for each in self._releases.newest_first(name) if each in allowed]
            sound = [each for each in newest if not self._releases.is_yanked(name, each)]
            chosen[name] = (sound or newest)[0]
        return chosen

    def roots(self, pins: Mapping[str, str]) -> Iterator[RequirementInformation]:
        """Yield the requirements that hosts with wheels be there, some at one version."""
        for name in self.names:
            allowed = frozenset({pins[name]}) if name in pins else self._allowed[name]
            is_pin = len(allowed) == 1 and (name in pins or self._is_given[name])
            for target in self._releases.targets:
                if self._releases.at(name, target):
                    yield RequirementInformation(
                        Requirement(
                            name=name,
                            target=target,
                            allowed=allowed,
                            takes_prereleases=is_pin,
                            is_pin=is_pin,
                            text=f"{name}=={next(iter(allowed))}" if is_pin else name,
                        ),
                        Source(),
                    )

    def at(self, target: str, versions: Mapping[str, str]) -> Host:
        """Return the host of a target for some chosen versions."""
        return Host(
            core=self._package("core", target, versions),
            inference=self._package("inference", target, versions),
            python=self._releases.sources[target].python_version(),
        )

    def at_least(self, role: str, required: str, target: str) -> Requirement | None:
        """Return the requirement of a host's least version, None where it has no wheel."""
        name = self._leading(role, target)
        least = self._releases.parsed(required)
        if name is None or least is None:
            return None
        parsed = {each: self._releases.parsed(each) for each in self._releases.versions(name)}
        return Requirement(
            name=name,
            target=None,
            allowed=frozenset(
                text for text, version in parsed.items() if version is not None and version >= least
            ),
            text=f"{name}>={required}",
        )

    def _find_allowed(self, name: str, given: str | None) -> frozenset[str]:
        """Return the versions of a host that may be chosen: the given one, if there is one."""
        versions = self._releases.versions(name)
        parsed = self._releases.parsed(given) if given else None
        pinned = (
            each
            for each in versions
            if each == given or (parsed and self._releases.parsed(each) == parsed)
        )
        return frozenset(pinned) or frozenset(versions)

    def _leading(self, role: str, target: str) -> str | None:
        """Return the name under which a host has a wheel for a target; the first one counts."""
        return next((name for name in _NAMES[role] if self._releases.at(name, target)), None)

    def _package(self, role: str, target: str, versions: Mapping[str, str]) -> HostPackage | None:
        for name in _NAMES[role]:
            version = versions.get(name)
            if version is not None and version in self._releases.at(name, target):
                return HostPackage(distribution=name, version=version)
        given = self._given[role]
        return HostPackage(distribution=_NAMES[role][0], version=given) if given else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """What a problem is made from.

    Args:
        descriptor: what this runtime should run.
        releases: the versions to choose from.
        requirements: what they require.
        plugins: the plugins that they offer.
        hosts: the hosts among them.
        program: what the program itself requires.
    """

    descriptor: Descriptor
    releases: Releases
    requirements: DeclaredRequirements
    plugins: PluginIndex
    hosts: Hosts
    program: tuple[RequirementInformation, ...] = ()
