"""Which plugins each version offers, and what the descriptor wants of them."""

from __future__ import annotations

from itertools import islice

from coral_lock.inventory import BrokenDistribution
from coral_lock.locking.discovery import discover
from coral_lock.locking.selection import judge, request_for, unwanted_reason
from coral_lock.names import plugin_id
from coral_lock.reporter import Reporter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from coral_lock.descriptor.model import Descriptor, PluginRequest
    from coral_lock.lockfile.entries import Host
    from coral_lock.locking.discovery import DiscoveredPlugin, Evidence
    from coral_lock.locking.selection import Decision
    from coral_lock.resolver.candidates import Releases


class Offers:
    """The plugins of every version, each learnt once, without running anything.

    Args:
        releases: what there is.
        descriptor: what is wanted.
        evidence: what was learnt of distributions before in this run.
    """

    def __init__(self, releases: Releases, descriptor: Descriptor, evidence: Evidence) -> None:
        self._evidence = evidence
        self._releases = releases
        self._descriptor = descriptor
        self._declared: dict[tuple[str, str, str], tuple[DiscoveredPlugin, ...]] = {}
        self._optional: tuple[tuple[str, str], ...] | None = None
        self._judged: dict[tuple[str, str, str, Host], tuple[Decision, ...]] = {}
        self.names = self._plugin_distributions()
        self.unreadable = tuple(name for name in releases.names() if self._is_unreadable(name))

    def at(self, name: str, version: str, target: str) -> tuple[DiscoveredPlugin, ...]:
        """Return what a version offers on a target, sorted by id; nothing if it isn't for it."""
        if not self._releases.can_have(name, version, target):
            return ()
        return self.declared(name, version, target)

    def declared(self, name: str, version: str, target: str) -> tuple[DiscoveredPlugin, ...]:
        """Return what the wheel of a version declares, be it for another Python."""
        key = (name, version, target)
        if key not in self._declared:
            distribution = self._releases.distribution(name, version, target)
            if (
                distribution is None
                or isinstance(distribution, BrokenDistribution)
                or not distribution.entry_points
            ):
                self._declared[key] = ()
            else:
                inventory = self._releases.sources[target].chosen({name: version})
                found = discover(inventory, None, Reporter(), evidence=self._evidence)
                self._declared[key] = found.plugins
        return self._declared[key]

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
        """Yield what all versions of a distribution declare on all targets."""
        for version in self._releases.versions(name):
            for target in self._releases.targets:
                yield from self.declared(name, version, target)

    def ids(self) -> frozenset[str]:
        """Return the plugins that some version offers on some target."""
        return frozenset(
            plugin.id
            for name in self.names
            for version in self._releases.versions(name)
            for target in self._releases.targets
            for plugin in self.at(name, version, target)
        )

    def optional(self) -> tuple[tuple[str, str], ...]:
        """Return the optional plugins that there are, each with a target, sorted."""
        if self._optional is None:
            self._optional = self._find_optional()
        return self._optional

    def _find_optional(self) -> tuple[tuple[str, str], ...]:
        requests = [each for each in self._descriptor.requests if each.enabled and each.optional]
        ids = {plugin_id(request.group, request.name) for request in requests}
        if not ids:
            return ()
        return tuple(
            sorted(
                {
                    (plugin.id, target)
                    for name in self.names
                    for version in self._releases.versions(name)
                    for target in self._releases.targets
                    for plugin in self.at(name, version, target)
                    if plugin.id in ids and self.is_wanted(plugin)
                }
            )
        )

    def is_wanted(self, plugin: DiscoveredPlugin) -> bool:
        """Whether the descriptor doesn't leave a plugin out."""
        request = request_for(plugin, self._descriptor)
        return unwanted_reason(plugin, request, self._descriptor) is None

    def asked_for(self) -> tuple[PluginRequest, ...]:
        """Return what the descriptor switches on and doesn't call optional."""
        if not self._descriptor.built_in_patches.get("plugins", True):
            return ()
        return tuple(
            request
            for request in self._descriptor.requests
            if request.enabled and not request.optional
        )

    def _plugin_distributions(self) -> tuple[str, ...]:
        """Return the distributions that declare plugins, sorted.

        Of most only the preferred versions are looked at. Where none of these offers a
        plugin that is asked for, it may be an older version of another distribution.
        """
        names = self._releases.names()
        found = {name for name in names if self._declares(name, self._preferred(name))}
        offered = {plugin.id for name in sorted(found) for plugin in self.of(name)}
        asked = {plugin_id(request.group, request.name) for request in self.asked_for()}
        if asked - offered:
            found.update(
                name for name in names if self._declares(name, self._releases.versions(name))
            )
        return tuple(sorted(found))

    def _is_unreadable(self, name: str) -> bool:
        """Whether the best wheel of a distribution is broken and may declare plugins."""
        for target in self._releases.targets:
            for version in islice(self._releases.candidates(name, (), ((name, "", target),)), 1):
                broken = self._releases.broken(name, version)
                if broken is not None:
                    inventory = self._releases.sources[target].chosen({name: version})
                    return bool(inventory.plugin_distributions())
        return False

    def _preferred(self, name: str) -> tuple[str, ...]:
        """Return the versions that come first: the kept one and the newest, for each target."""
        preferred: list[str] = []
        for target in self._releases.targets:
            candidates = self._releases.candidates(name, (), ((name, "", target),))
            preferred.extend(islice(candidates, 2 if name in self._releases.kept else 1))
        return tuple(dict.fromkeys(preferred))

    def _declares(self, name: str, versions: tuple[str, ...]) -> bool:
        found = (
            self._releases.distribution(name, version, target)
            for version in versions
            for target in self._releases.targets
        )
        return any(
            not isinstance(each, BrokenDistribution) and bool(each.entry_points)
            for each in found
            if each is not None
        )
