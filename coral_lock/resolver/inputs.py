"""What a problem is made from: releases, their requirements and plugins, and the hosts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from packaging import requirements as pep508
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from coral_lock.descriptor.model import Descriptor, HostVersions
from coral_lock.inventory import BrokenDistribution, Distribution
from coral_lock.lockfile.entries import Host, HostPackage
from coral_lock.locking.closure import NOT_PEP_508, PROGRAM, RequirementsOf
from coral_lock.names import CORE_DISTRIBUTION, INFERENCE_DISTRIBUTIONS, normalized_name
from coral_lock.resolver.plugin_index import PluginIndex
from coral_lock.resolver.releases import Releases, Requirement, RequirementInformation, Source

_MAX_SHOWN = 200


class DeclaredRequirements:
    """The `Requires-Dist` of every version, evaluated once for each extra and target.

    Args:
        releases: the versions to choose from.
        provided: by target the versions of distributions that count as present there
            without a wheel.
    """

    def __init__(self, releases: Releases, provided: Mapping[str, Mapping[str, str]]) -> None:
        self._releases = releases
        self._provided = provided
        self._declared: dict[tuple[str, str, str], RequirementsOf | None] = {}
        self._requirements: dict[tuple[str, str, str, str], tuple[Requirement, ...]] = {}
        self._allowed: dict[tuple[str, str], frozenset[str]] = {}

    def of(self, name: str, version: str, extra: str, target: str) -> tuple[Requirement, ...]:
        """Return what a version requires with an extra, or without one, on a target."""
        key = (name, version, extra, target)
        if key not in self._requirements:
            declared = self._declared_by(name, version, target)
            self._requirements[key] = tuple(self._evaluated(declared, name, extra, target))
        return self._requirements[key]

    def of_program(self, requires: tuple[str, ...]) -> Iterator[RequirementInformation]:
        """Yield what the program itself requires (PEP 508) on each target."""
        program = Distribution(
            name=PROGRAM, version="", requires=requires, entry_points=(), location=""
        )
        for target, environment in self._releases.environments.items():
            declared = RequirementsOf(program, environment)
            for requirement in self._evaluated(declared, PROGRAM, "", target):
                yield RequirementInformation(requirement, Source(is_program=True))

    def _declared_by(self, name: str, version: str, target: str) -> RequirementsOf | None:
        key = (name, version, target)
        if key not in self._declared:
            distribution = self._releases.distribution(*key)
            self._declared[key] = (
                None
                if distribution is None or isinstance(distribution, BrokenDistribution)
                else RequirementsOf(distribution, self._releases.environments[target])
            )
        return self._declared[key]

    def _evaluated(
        self, declared: RequirementsOf | None, name: str, extra: str, target: str
    ) -> Iterator[Requirement]:
        if declared is None:
            return
        for text in () if extra else declared.malformed:
            yield Requirement(
                name=name,
                target=target,
                allowed=frozenset(),
                text=f"{text[:_MAX_SHOWN]} ({NOT_PEP_508})",
            )
        for each in declared.of(extra):
            requirement = self._requirement(each, target)
            if requirement is not None:
                yield requirement

    def _requirement(self, declared: pep508.Requirement, target: str) -> Requirement | None:
        """Return a requirement, None where what counts as present meets it."""
        name = normalized_name(declared.name)
        provided = None
        if not self._releases.at(name, target):
            provided = self._provided[target].get(name)
        if provided is not None and _contains(declared.specifier, provided):
            return None
        specifier = str(declared.specifier)
        return Requirement(
            name=name,
            target=target,
            extras=tuple(sorted(declared.extras)),
            allowed=frozenset()
            if provided is not None
            else self._versions_in(name, specifier, declared.specifier),
            takes_prereleases=bool(declared.specifier.prereleases),
            is_pin=any(
                each.operator in ("==", "===") and not each.version.endswith(".*")
                for each in declared.specifier
            ),
            text=_without_marker(declared),
            specifier=specifier[:_MAX_SHOWN],
        )

    def _versions_in(self, name: str, text: str, specifier: SpecifierSet) -> frozenset[str]:
        key = (name, text)
        if key not in self._allowed:
            self._allowed[key] = frozenset(
                version
                for version in self._releases.versions(name)
                if _contains(specifier, self._releases.parsed(version) or version)
            )
        return self._allowed[key]


def _contains(specifier: SpecifierSet, version: Version | str) -> bool:
    """Whether a version meets a specifier, pre-releases included; an invalid one doesn't."""
    try:
        return specifier.contains(version, prereleases=True)
    except ValueError:
        return False


def _without_marker(declared: pep508.Requirement) -> str:
    extras = f"[{','.join(sorted(declared.extras))}]" if declared.extras else ""
    url = f" @ {declared.url}" if declared.url else ""
    return f"{declared.name}{extras}{declared.specifier}{url}"[:_MAX_SHOWN]


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
