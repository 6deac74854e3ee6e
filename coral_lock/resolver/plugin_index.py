"""Which plugins each version offers, and which of them the descriptor wants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import islice

from coral_lock.descriptor.model import Descriptor, PluginRequest
from coral_lock.inventory import BrokenDistribution
from coral_lock.lockfile.entries import Host
from coral_lock.locking.decision import (
    Decision,
    DiscoveredPlugin,
    judge,
    request_for,
    unwanted_reason,
)
from coral_lock.locking.discovery import Evidence, discover
from coral_lock.names import plugin_id
from coral_lock.reporter import Reporter
from coral_lock.resolver.releases import Releases


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
                judge(plugin, request_for(plugin, self._descriptor), self._descriptor, host, [])
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
