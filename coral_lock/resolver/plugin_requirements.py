"""What the descriptor and the plugins want of each other, as demands on versions."""

from __future__ import annotations

from coral_lock.names import plugin_id
from coral_lock.resolver.requirements import Demand, Incoming, Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from coral_lock.locking.discovery import DiscoveredPlugin
    from coral_lock.resolver.candidates import Releases
    from coral_lock.resolver.planning import HostVersions
    from coral_lock.resolver.plugin_index import Offers


class Wants:
    """The demands that follow from plugins, for given versions of the hosts.

    Args:
        releases: what there is.
        offers: which plugins each version offers.
        hosts: the hosts.
        versions: the hosts' versions for which it is judged whether a plugin fits.
        only_asked: whether plugins that aren't asked for are left out.
        left_out: the optional plugins that aren't wanted, each with a target.
    """

    def __init__(
        self,
        releases: Releases,
        offers: Offers,
        hosts: HostVersions,
        versions: Mapping[str, str],
        only_asked: bool,
        left_out: frozenset[tuple[str, str]] = frozenset(),
    ) -> None:
        self._releases = releases
        self._offers = offers
        self._hosts = hosts
        self._versions = versions
        self._host_at = {target: hosts.at(target, versions) for target in releases.targets}
        self._only_asked = only_asked
        self._left_out = left_out
        self._fitting: dict[tuple[str, str, str], Mapping[str, DiscoveredPlugin]] = {}
        self._providers = self._find_providers()
        self.asked = self._attribute_asked()
        self.acceptable = {name: self._acceptable(name) for name in offers.names}
        self._idle = self._find_idle()
        self._demands: dict[tuple[str, str, str], tuple[Demand, ...]] = {}

    def without_omissions(self) -> Wants:
        """Return the same wants, with nothing left out."""
        if not self._left_out:
            return self
        return Wants(self._releases, self._offers, self._hosts, self._versions, self._only_asked)

    def fitting(self, name: str, version: str, target: str) -> Mapping[str, DiscoveredPlugin]:
        """Return the plugins of a version that would be selected on a target, by id."""
        key = (name, version, target)
        if key not in self._fitting:
            self._fitting[key] = {
                decision.plugin.id: decision.plugin
                for decision in self._offers.judged(name, version, target, self._host_at[target])
                if decision.is_selected
            }
        return self._fitting[key]

    def misfit(self, name: str, version: str) -> str | None:
        """Return why a version doesn't offer what is wanted of it, None if it does."""
        if version in self.acceptable.get(name, ()):
            return None
        asked = self.asked.get(name, ())
        for target in self._releases.targets:
            if not self._releases.can_have(name, version, target):
                continue
            decisions = self._offers.judged(name, version, target, self._host_at[target])
            offered = {decision.plugin.id for decision in decisions}
            for identifier in asked:
                if identifier not in offered:
                    return f"doesn't offer `{identifier}`"
            for decision in decisions:
                if decision.reason is not None and decision.plugin.id in (asked or offered):
                    return decision.reason
            for plugin in self.fitting(name, version, target).values():
                missing = self._missing(plugin, name, version, target)
                if missing is not None:
                    return f"requires `{missing}`, which nothing offers that fits"
        return None

    def roots(self) -> list[Incoming]:
        """Return the demands of the descriptor: each distribution whose plugins it wants."""
        roots: list[Incoming] = []
        for name in self._offers.names:
            asked = self.asked.get(name, ())
            allowed = self.acceptable[name]
            if asked:
                targets = self._releases.targets
            elif not self._only_asked:
                targets = self._wanted_targets(name, allowed)
            else:
                continue
            plugins = asked or self._wanted_ids(name, allowed, self._releases.targets)
            roots.extend(
                Incoming(
                    demand=Demand(
                        name=name,
                        target=target,
                        allowed=allowed,
                        text=", ".join(f"`{identifier}`" for identifier in plugins),
                    ),
                    source=Source(plugins=plugins),
                )
                for target in targets
            )
        return roots

    def demands_of(self, name: str, version: str, target: str) -> tuple[Demand, ...]:
        """Return what the plugins of a version want of other distributions and of the hosts."""
        if name not in self.acceptable or (self._only_asked and name not in self.asked):
            return ()
        key = (name, version, target)
        if key not in self._demands:
            self._demands[key] = tuple(self._derive(*key))
        return self._demands[key]

    def _derive(self, name: str, version: str, target: str) -> Iterator[Demand]:
        fitting = self.fitting(name, version, target)
        for identifier in sorted(fitting):
            if self._only_asked and identifier not in self.asked[name]:
                continue
            if (identifier, target) in self._idle:
                continue
            plugin = fitting[identifier]
            if plugin.facts is not None:
                yield from self._least_versions(plugin, target)
            for relation in plugin.terms.requires:
                provider = self._providers.get(relation.id)
                if relation.id not in fitting and provider and provider != name:
                    yield self._offering(provider, relation.id, target)
            for relation in plugin.terms.conflicts:
                if (relation.id, target) in self._idle:
                    continue
                yield from self._lacking(name, relation.id, target)

    def _least_versions(self, plugin: DiscoveredPlugin, target: str) -> Iterator[Demand]:
        assert plugin.facts is not None
        for role, required in (
            ("core", plugin.facts.min_core_version),
            ("inference", plugin.facts.min_inference_version),
        ):
            demand = self._hosts.at_least(role, required, target) if required else None
            if demand is not None:
                yield demand

    def _offering(self, provider: str, identifier: str, target: str) -> Demand:
        return Demand(
            name=provider,
            target=target,
            allowed=frozenset(
                version
                for version in self._releases.versions(provider)
                if identifier in self.fitting(provider, version, target)
            ),
            text=f"`{identifier}`",
            relation=identifier,
        )

    def _lacking(self, name: str, identifier: str, target: str) -> Iterator[Demand]:
        for other in self._offers.names:
            versions = frozenset(self._releases.versions(other))
            allowed = frozenset(
                version
                for version in versions
                if identifier not in self.fitting(other, version, target)
            )
            if other != name and allowed != versions:
                yield Demand(
                    name=other,
                    target=None,
                    allowed=allowed,
                    text=f"no `{identifier}`",
                    relation=identifier,
                )

    def _find_providers(self) -> dict[str, str]:
        """Return for each plugin who is to offer it; nobody for one that two are to offer."""
        best: dict[str, tuple[int, list[str]]] = {}
        for name in self._offers.names:
            ranks: dict[str, int] = {}
            for rank, version in enumerate(self._releases.versions(name)):
                for target in self._releases.targets:
                    for identifier in self.fitting(name, version, target):
                        ranks.setdefault(identifier, rank)
            for identifier, rank in ranks.items():
                known = best.setdefault(identifier, (rank, []))
                if rank < known[0]:
                    best[identifier] = (rank, [name])
                elif rank == known[0]:
                    known[1].append(name)
        return {
            identifier: names[0]
            for identifier, (rank, names) in best.items()
            if len(names) == 1 or rank > 0
        }

    def _attribute_asked(self) -> dict[str, tuple[str, ...]]:
        """Return for each distribution the plugins that are asked for of it."""
        asked: dict[str, list[str]] = {}
        offering: dict[str, list[str]] = {}
        for name in self._offers.names:
            for identifier in sorted(
                {plugin.id for plugin in self._offers.of(name) if self._offers.is_wanted(plugin)}
            ):
                offering.setdefault(identifier, []).append(name)
        for request in self._offers.asked_for():
            identifier = plugin_id(request.group, request.name)
            provider = self._providers.get(identifier)
            names = offering.get(identifier, [])
            if provider is None and len(names) == 1:
                provider = names[0]
            if provider is not None:
                asked.setdefault(provider, []).append(identifier)
        return {name: tuple(sorted(ids)) for name, ids in asked.items()}

    def _acceptable(self, name: str) -> frozenset[str]:
        """Return the versions that offer what is asked for of it, or else anything that fits."""
        fitting = {
            version
            for version in self._releases.versions(name)
            if self._is_acceptable(name, version)
        }
        elsewhere = {
            identifier
            for other, identifiers in self.asked.items()
            if other != name
            for identifier in identifiers
        }
        lacking = {
            version
            for version in fitting
            if not any(
                elsewhere.intersection(self.fitting(name, version, target))
                for target in self._releases.targets
            )
        }
        return frozenset(lacking or fitting)

    def _is_acceptable(self, name: str, version: str) -> bool:
        asked = self.asked.get(name)
        sound = []
        for target in self._releases.targets:
            if self._releases.can_have(name, version, target):
                fitting = self.fitting(name, version, target)
                sound.append(
                    {
                        identifier
                        for identifier, plugin in fitting.items()
                        if self._missing(plugin, name, version, target) is None
                    }
                )
        return all(each.issuperset(asked) for each in sound) if asked else any(sound)

    def _missing(
        self, plugin: DiscoveredPlugin, name: str, version: str, target: str
    ) -> str | None:
        """Return a plugin that another one requires and that nothing can offer."""
        for relation in plugin.terms.requires:
            provider = self._providers.get(relation.id)
            if relation.id not in self.fitting(name, version, target) and provider in (None, name):
                return relation.id
        return None

    def _wanted_ids(
        self, name: str, allowed: frozenset[str], targets: tuple[str, ...]
    ) -> tuple[str, ...]:
        return tuple(
            sorted(
                {
                    identifier
                    for version in allowed
                    for target in targets
                    for identifier in self.fitting(name, version, target)
                }
            )
        )

    def _wanted_targets(self, name: str, allowed: frozenset[str]) -> tuple[str, ...]:
        """Return the targets for which a distribution is wanted that nobody asked for.

        Of a distribution whose plugins are all optional these are all that aren't given up.
        """
        optional = self._offers.optional()
        wanted = {
            (identifier, target)
            for target in (self._releases.targets if optional else ())
            for identifier in self._wanted_ids(name, allowed, (target,))
        }
        if not optional or not wanted.issubset(optional):
            return self._common_targets(name, allowed)
        remaining = {target for _, target in wanted - self._left_out}
        return tuple(target for target in self._releases.targets if target in remaining)

    def _find_idle(self) -> frozenset[tuple[str, str]]:
        """Return the plugins that are left out and that no other plugin requires."""
        if not self._left_out:
            return frozenset()
        required = {
            relation.id
            for name in self._offers.names
            for plugin in self._offers.of(name)
            for relation in plugin.terms.requires
        }
        return frozenset(each for each in self._left_out if each[0] not in required)

    def _common_targets(self, name: str, allowed: frozenset[str]) -> tuple[str, ...]:
        """Return the targets for which a distribution is there that nobody asked for.

        Where no version is for all of them, it is there for those that the version for
        the most of them is for.
        """
        best: tuple[str, ...] = ()
        demand = Demand(name=name, target=None, allowed=allowed, text=name)
        for version in self._releases.candidates(name, (demand,), ()):
            targets = tuple(
                target
                for target in self._releases.targets
                if self._releases.can_have(name, version, target)
            )
            if len(targets) > len(best):
                best = targets
        return best
