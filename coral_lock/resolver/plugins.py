"""The hosts and the plugins of all releases, and what the plugins require."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import islice

from coral_lock.descriptor.model import Descriptor
from coral_lock.document.formats import is_same_version
from coral_lock.inventory import Distribution, ReleaseSource
from coral_lock.lockfile.entries import Host, HostPackage
from coral_lock.locking.decision import (
    Decision,
    DiscoveredPlugin,
    judge,
    parsed_version,
    unwanted_reason,
)
from coral_lock.locking.discovery import Evidence, discover
from coral_lock.names import HOST_DISTRIBUTIONS
from coral_lock.resolver.releases import (
    DeclaredRequirements,
    Releases,
    Requirement,
    RequirementInformation,
    Source,
)

Unit = tuple[str, str]
"""A plugin, and a target for which it is wanted."""


class Hosts:
    """The hosts that have wheels, and the versions that the user gave.

    Args:
        releases: the versions to choose from.
        descriptor: gives the versions of hosts.
    """

    def __init__(self, releases: Releases, descriptor: Descriptor) -> None:
        self._releases = releases
        self._given = {"core": descriptor.host_core, "inference": descriptor.host_inference}
        self._allowed: dict[str, frozenset[str]] = {}
        for role, names in HOST_DISTRIBUTIONS.items():
            given = self._given[role]
            for name in names:
                versions = releases.versions(name)
                pinned = [each for each in versions if given and is_same_version(given, each)]
                if versions:
                    self._allowed[name] = frozenset(pinned or versions)
        self.names = tuple(sorted(self._allowed))

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
        return any(len(allowed) > 1 for allowed in self._allowed.values())

    def newest(self) -> dict[str, str]:
        """Return the newest version of each host that can be chosen, by name."""
        return {name: max(self._allowed[name], key=self._releases.order) for name in self.names}

    def roots(self, pins: Mapping[str, str]) -> Iterator[RequirementInformation]:
        """Yield the requirements that hosts with wheels be there, some at one version."""
        for name in self.names:
            allowed = frozenset({pins[name]}) if name in pins else self._allowed[name]
            is_pin = len(allowed) == 1
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
            python=self._releases.environments[target]["python_version"],
        )

    def at_least(self, role: str, required: str, target: str) -> Requirement | None:
        """Return the requirement of a host's least version, None where it has no wheel."""
        name = self._leading(role, target)
        least = parsed_version(required)
        if name is None or least is None:
            return None
        allowed = (
            text
            for text in self._releases.versions(name)
            if (version := parsed_version(text)) is not None and version >= least
        )
        return Requirement(
            name=name,
            target=None,
            allowed=frozenset(allowed),
            text=f"{name}>={required}",
            specifier=f">={required}",
        )

    def _leading(self, role: str, target: str) -> str | None:
        """Return the name under which a host has a wheel for a target; the first one counts."""
        names = HOST_DISTRIBUTIONS[role]
        return next((name for name in names if self._releases.at(name, target)), None)

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

    Attributes:
        requested: the ids of what the descriptor switches on and doesn't call optional.
        names: the distributions that declare plugins, sorted.
        unreadable: those whose best wheel is broken and may declare some.
        units: the plugins that some version offers, with the targets.
        unrequested: those of these that aren't requested.
        optional: the optional ones of these, sorted.
    """

    def __init__(self, releases: Releases, descriptor: Descriptor, evidence: Evidence) -> None:
        self._releases = releases
        self._descriptor = descriptor
        self._evidence = evidence
        self._declared = cache(self._discover)
        self.judged = cache(self._judge)
        is_loaded = descriptor.built_in_patches.get("plugins", True)
        self.requested = tuple(
            request.id
            for request in descriptor.requests
            if is_loaded and request.enabled and not request.optional
        )
        self.names = self._plugin_distributions()
        self.unreadable = tuple(name for name in releases.names if self._is_unreadable(name))
        offered = [
            (plugin, target)
            for name in self.names
            for version in releases.versions(name)
            for target in releases.targets
            for plugin in self.at(name, version, target)
        ]
        self.units = frozenset((plugin.id, target) for plugin, target in offered)
        self.unrequested = frozenset(unit for unit in self.units if unit[0] not in self.requested)
        self.optional: tuple[Unit, ...] = tuple(
            sorted({(plugin.id, target) for plugin, target in offered if self._is_optional(plugin)})
        )

    def at(self, name: str, version: str, target: str) -> tuple[DiscoveredPlugin, ...]:
        """Return what a version offers on a target, sorted by id; nothing if it doesn't fit."""
        if not self._releases.can_have(name, version, target):
            return ()
        return self._declared(name, version, target)

    def of(self, name: str) -> Iterator[DiscoveredPlugin]:
        """Yield what all versions of a distribution declare, even for another Python."""
        for version in self._releases.versions(name):
            for target in self._releases.targets:
                yield from self._declared(name, version, target)

    def is_wanted(self, plugin: DiscoveredPlugin) -> bool:
        """Whether the descriptor doesn't exclude a plugin."""
        return unwanted_reason(plugin.id, plugin.distribution.name, self._descriptor) is None

    def _is_optional(self, plugin: DiscoveredPlugin) -> bool:
        request = self._descriptor.request(plugin.id)
        return request is not None and request.optional and self.is_wanted(plugin)

    def _judge(self, name: str, version: str, target: str, host: Host) -> tuple[Decision, ...]:
        """Return what is decided on each plugin of a version, as if it were the only one."""
        plugins = self.at(name, version, target)
        return tuple(judge(plugin, self._descriptor, host) for plugin in plugins)

    def _discover(self, name: str, version: str, target: str) -> tuple[DiscoveredPlugin, ...]:
        found = self._releases.distribution(name, version, target)
        if not isinstance(found, Distribution) or not found.entry_points:
            return ()
        inventory = self._releases.sources[target].chosen({name: version})
        return discover(inventory, self._evidence).plugins

    def _plugin_distributions(self) -> tuple[str, ...]:
        """Return the distributions that declare plugins, sorted.

        Of most only the preferred versions are read. Where none of these offers a plugin
        that is requested, it may be an older version of another distribution.
        """
        names = self._releases.names
        best = {name: {version for _, version in self._best(name)} for name in names}
        found = {name for name in names if self._declares_any(name, best[name])}
        offered = {plugin.id for name in sorted(found) for plugin in self.of(name)}
        if not offered.issuperset(self.requested):
            versions = self._releases.versions
            found.update(name for name in names if self._declares_any(name, versions(name)))
        return tuple(sorted(found))

    def _declares_any(self, name: str, versions: Iterable[str]) -> bool:
        targets = self._releases.targets
        found = (self._releases.distribution(name, each, at) for each in versions for at in targets)
        return any(isinstance(each, Distribution) and each.declares_plugins for each in found)

    def _is_unreadable(self, name: str) -> bool:
        """Whether the best wheel of a distribution is broken and may declare plugins."""
        return any(
            self._releases.sources[target].chosen({name: version}).plugin_distributions()
            for target, version in self._best(name)
            if self._releases.broken(name, version)
        )

    def _best(self, name: str) -> Iterator[tuple[str, str]]:
        """Yield the versions that come first, the kept one and the newest, after each target."""
        number = 2 if name in self._releases.kept else 1
        for target in self._releases.targets:
            candidates = self._releases.candidates(name, (), ((name, "", target),))
            for version in islice(candidates, number):
                yield target, version


class Inputs:
    """What a choice is made from.

    Args:
        sources: the releases to choose from, by the name of the target.
        descriptor: what this runtime should run.
        kept: versions to prefer while they fit, by the distribution's name.
        evidence: what is known of distributions from earlier in this run; more is added.
    """

    def __init__(
        self,
        sources: Mapping[str, ReleaseSource],
        descriptor: Descriptor,
        kept: Mapping[str, str],
        evidence: Evidence,
    ) -> None:
        self.descriptor = descriptor
        self.releases = Releases(sources, kept)
        self.hosts = Hosts(self.releases, descriptor)
        self.requirements = DeclaredRequirements(
            self.releases, self.hosts.provided(), descriptor.program_requires
        )
        self.plugins = PluginIndex(self.releases, descriptor, evidence)


class PluginRequirements:
    """The requirements that follow from plugins, for given versions of the hosts.

    Args:
        inputs: what the choice is made from.
        versions: the hosts' versions for which it is judged whether a plugin fits.
        omitted: the plugins that aren't wanted, none of them requested.

    Attributes:
        requested: for each distribution the plugins that are requested of it, sorted.
        acceptable: the versions that offer these, or else anything that fits.
    """

    def __init__(
        self,
        inputs: Inputs,
        versions: Mapping[str, str],
        omitted: frozenset[Unit] = frozenset(),
    ) -> None:
        self.versions = versions
        self.omitted = omitted
        self._releases = inputs.releases
        self._plugins = inputs.plugins
        self._hosts = inputs.hosts
        self._host_at = {
            target: inputs.hosts.at(target, versions) for target in self._releases.targets
        }
        self.fitting = cache(self._find_fitting)
        self.of = cache(self._find_requirements)
        self.requested: dict[str, tuple[str, ...]] = {}
        for identifier in self._plugins.requested:
            provider = self._provider(identifier)
            if provider is not None:
                self.requested[provider] = (*self.requested.get(provider, ()), identifier)
        self.acceptable = {
            name: frozenset(
                version
                for version in self._releases.versions(name)
                if self._is_acceptable(name, version)
            )
            for name in self._plugins.names
        }

    def _find_fitting(self, name: str, version: str, target: str) -> Mapping[str, DiscoveredPlugin]:
        """Return the plugins of a version that would be selected on a target, by id."""
        return {
            decision.plugin.id: decision.plugin
            for decision in self._plugins.judged(name, version, target, self._host_at[target])
            if decision.is_selected
        }

    def _provider(self, identifier: str) -> str | None:
        """Return the distribution that is to offer a plugin, None where two would do.

        It is the one whose version that offers it comes first in the order of preference.
        """
        ranks: dict[str, int] = {}
        for name in self._plugins.names:
            for rank, version in enumerate(self._releases.versions(name)):
                if any(identifier in self.fitting(name, version, at) for at in self._host_at):
                    ranks.setdefault(name, rank)
        best = [name for name, rank in ranks.items() if rank == min(ranks.values())]
        if len(best) == 1 or (best and ranks[best[0]] > 0):
            return best[0]
        offering = [
            name
            for name in self._plugins.names
            if any(
                plugin.id == identifier and self._plugins.is_wanted(plugin)
                for plugin in self._plugins.of(name)
            )
        ]
        return offering[0] if len(offering) == 1 else None

    def _is_acceptable(self, name: str, version: str) -> bool:
        requested = self.requested.get(name)
        targets = self._releases.targets_of(name, version)
        fitting = [self.fitting(name, version, target).keys() for target in targets]
        return all(each >= set(requested) for each in fitting) if requested else any(fitting)

    def misfit(self, name: str, version: str) -> str | None:
        """Return why a version doesn't offer what is wanted of it, None if it does."""
        if version in self.acceptable.get(name, ()):
            return None
        requested = self.requested.get(name, ())
        for target in self._releases.targets_of(name, version):
            judged = self._plugins.judged(name, version, target, self._host_at[target])
            reasons = {decision.plugin.id: decision.reason for decision in judged}
            for identifier in requested:
                if identifier not in reasons:
                    return f"doesn't offer `{identifier}`"
            for identifier in requested or reasons:
                if reasons[identifier] is not None:
                    return reasons[identifier]
        return None

    def roots(self) -> Iterator[RequirementInformation]:
        """Yield the requirements of the descriptor: each distribution whose plugins it wants."""
        for name in self._plugins.names:
            plugins = self.requested.get(name, ())
            required = Requirement(name=name, target=None, allowed=self.acceptable[name], text="")
            targets = self._releases.targets
            if not plugins:
                units = {
                    (identifier, target)
                    for version in self.acceptable[name]
                    for target in targets
                    for identifier in self.fitting(name, version, target)
                }
                plugins = tuple(sorted({identifier for identifier, _ in units}))
                targets = self._wanted_targets(required, units)
            text = ", ".join(f"`{identifier}`" for identifier in plugins)
            for target in targets:
                yield RequirementInformation(
                    replace(required, target=target, text=text), Source(plugins=plugins)
                )

    def _wanted_targets(self, required: Requirement, units: set[Unit]) -> tuple[str, ...]:
        """Return the targets for which a distribution is wanted that nobody requests.

        Where all its plugins are optional these are the targets for which any isn't omitted,
        and none where all are omitted. Else they are those of the version that fits the most
        of them.
        """
        remaining = units - self.omitted
        if not remaining or units.issubset(self._plugins.optional):
            return tuple(sorted({target for _, target in remaining}))
        fitting = (
            self._releases.targets_of(required.name, version)
            for version in self._releases.candidates(required.name, (required,))
        )
        return max(fitting, key=len, default=())

    def _find_requirements(self, name: str, version: str, target: str) -> tuple[Requirement, ...]:
        """Return what the plugins of a version require of the hosts."""
        if name not in self.acceptable:
            return ()
        fitting = self.fitting(name, version, target)
        required = []
        for identifier in sorted(fitting):
            if (identifier, target) not in self.omitted:
                for role in HOST_DISTRIBUTIONS:
                    least = getattr(fitting[identifier].facts, f"min_{role}_version")
                    required.append(self._hosts.at_least(role, least, target) if least else None)
        return tuple(filter(None, required))
