"""What a problem is made from: releases, their requirements and plugins, and the hosts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from packaging import requirements as pep508
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from coral_lock.descriptor.model import Descriptor, PluginRequest
from coral_lock.inventory import BrokenDistribution, Distribution, Reporter
from coral_lock.lockfile.entries import Host, HostPackage
from coral_lock.locking.closure import NOT_PEP_508, PROGRAM, RequirementsOf
from coral_lock.locking.decision import (
    HOST_DISTRIBUTIONS,
    Decision,
    DiscoveredPlugin,
    judge,
    request_for,
    unwanted_reason,
)
from coral_lock.locking.discovery import Evidence, discover
from coral_lock.names import (
    normalized_name,
    plugin_id,
)
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


class Hosts:
    """The hosts that have wheels, and the versions that the user gave.

    Args:
        releases: the versions to choose from.
        descriptor: gives the versions of hosts.
    """

    def __init__(self, releases: Releases, descriptor: Descriptor) -> None:
        self._releases = releases
        self._given = {"core": descriptor.host_core, "inference": descriptor.host_inference}
        roles = {name: role for role, names in HOST_DISTRIBUTIONS.items() for name in names}
        self.names = tuple(sorted(name for name in roles if releases.versions(name)))
        self._allowed = {name: self._find_allowed(name, self._given[roles[name]]) for name in roles}
        self._is_given = {name: self._given[roles[name]] is not None for name in roles}

    def provided(self) -> dict[str, dict[str, str]]:
        """Return by target the given versions of hosts that have no wheel there."""
        return {
            target: {
                HOST_DISTRIBUTIONS[role][0]: given
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
            chosen[name] = next(
                each for each in self._releases.newest_first(name) if each in allowed
            )
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
        return next(
            (name for name in HOST_DISTRIBUTIONS[role] if self._releases.at(name, target)), None
        )

    def _package(self, role: str, target: str, versions: Mapping[str, str]) -> HostPackage | None:
        names, given = HOST_DISTRIBUTIONS[role], self._given[role]
        for name in names:
            version = versions.get(name)
            if version is not None and version in self._releases.at(name, target):
                return HostPackage(distribution=name, version=version)
        return HostPackage(distribution=names[0], version=given) if given else None


class PluginIndex:
    """The plugins of every version, each found once, without running anything.

    Args:
        releases: the versions to choose from.
        descriptor: what is wanted.
        evidence: what is known of distributions from earlier in this run; more is added.
    """

    def __init__(self, releases: Releases, descriptor: Descriptor, evidence: Evidence) -> None:
        self._evidence = evidence
        self._releases = releases
        self._descriptor = descriptor
        self._declared: dict[tuple[str, str, str], tuple[DiscoveredPlugin, ...]] = {}
        self._judged: dict[tuple[str, str, str, Host], tuple[Decision, ...]] = {}
        self.names = self._plugin_distributions()
        self.unreadable = tuple(name for name in releases.names() if self._is_unreadable(name))

    def at(self, name: str, version: str, target: str) -> tuple[DiscoveredPlugin, ...]:
        """Return what a version offers on a target, sorted by id; nothing if it doesn't fit."""
        if not self._releases.can_have(name, version, target):
            return ()
        return self._declared_by(name, version, target)

    def judged(self, name: str, version: str, target: str, host: Host) -> tuple[Decision, ...]:
        """Return what is decided on each plugin of a version, as if it were the only one."""
        key = (name, version, target, host)
        if key not in self._judged:
            self._judged[key] = tuple(
                judge(plugin, self._descriptor, host)[0]
                for plugin in self.at(name, version, target)
            )
        return self._judged[key]

    def of(self, name: str) -> Iterator[DiscoveredPlugin]:
        """Yield what all versions of a distribution declare, even for another Python."""
        for version in self._releases.versions(name):
            for target in self._releases.targets:
                yield from self._declared_by(name, version, target)

    @cached_property
    def _offered(self) -> frozenset[tuple[str, str, bool]]:
        """The id of each plugin that can be installed, a target, and whether it is wanted."""
        return frozenset(
            (plugin.id, target, self.is_wanted(plugin))
            for name in self.names
            for version in self._releases.versions(name)
            for target in self._releases.targets
            for plugin in self.at(name, version, target)
        )

    def ids(self) -> frozenset[str]:
        """Return the plugins that some version offers on some target."""
        return frozenset(identifier for identifier, _, _ in self._offered)

    @cached_property
    def optional(self) -> tuple[tuple[str, str], ...]:
        """The optional plugins that are offered, each with a target, sorted."""
        ids = {
            plugin_id(request.group, request.name)
            for request in self._descriptor.requests
            if request.enabled and request.optional
        }
        return tuple(
            sorted(
                (identifier, target)
                for identifier, target, is_wanted in (self._offered if ids else ())
                if is_wanted and identifier in ids
            )
        )

    def is_wanted(self, plugin: DiscoveredPlugin) -> bool:
        """Whether the descriptor doesn't exclude a plugin."""
        request = request_for(plugin, self._descriptor)
        return unwanted_reason(plugin, request, self._descriptor) is None

    def requested(self) -> tuple[PluginRequest, ...]:
        """Return what the descriptor switches on and doesn't call optional."""
        if not self._descriptor.built_in_patches.get("plugins", True):
            return ()
        return tuple(
            request
            for request in self._descriptor.requests
            if request.enabled and not request.optional
        )

    def _declared_by(self, name: str, version: str, target: str) -> tuple[DiscoveredPlugin, ...]:
        key = (name, version, target)
        if key not in self._declared:
            self._declared[key] = ()
            if self._has_entry_points(name, (version,), (target,)):
                inventory = self._releases.sources[target].chosen({name: version})
                found = discover(inventory, None, Reporter(), evidence=self._evidence)
                self._declared[key] = found.plugins
        return self._declared[key]

    def _plugin_distributions(self) -> tuple[str, ...]:
        """Return the distributions that declare plugins, sorted.

        Of most only the preferred versions are read. Where none of these offers a plugin
        that is requested, it may be an older version of another distribution.
        """
        names = self._releases.names()
        targets = self._releases.targets
        found = {name for name in names if self._has_entry_points(name, self._best(name), targets)}
        offered = {plugin.id for name in sorted(found) for plugin in self.of(name)}
        requested = {plugin_id(request.group, request.name) for request in self.requested()}
        if requested - offered:
            found.update(
                name
                for name in names
                if self._has_entry_points(name, self._releases.versions(name), targets)
            )
        return tuple(sorted(found))

    def _is_unreadable(self, name: str) -> bool:
        """Whether the best wheel of a distribution is broken and may declare plugins."""
        for target in self._releases.targets:
            for version in islice(self._releases.candidates(name, (), ((name, "", target),)), 1):
                if self._releases.broken(name, version):
                    inventory = self._releases.sources[target].chosen({name: version})
                    return bool(inventory.plugin_distributions())
        return False

    def _best(self, name: str) -> Iterator[str]:
        """Yield the versions that come first: the kept one and the newest, for each target."""
        number = 2 if name in self._releases.kept else 1
        for target in self._releases.targets:
            candidates = self._releases.candidates(name, (), ((name, "", target),))
            yield from islice(candidates, number)

    def _has_entry_points(self, name: str, versions: Iterable[str], targets: Iterable[str]) -> bool:
        found = (
            self._releases.distribution(name, version, target)
            for version in versions
            for target in targets
        )
        return any(
            not isinstance(each, BrokenDistribution) and bool(each.entry_points)
            for each in found
            if each is not None
        )


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
