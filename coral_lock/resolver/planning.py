"""From inputs to a solved problem: first the hosts, then all plugins, optional ones last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from coral_lock.locking.decision import DiscoveredPlugin
from coral_lock.names import plugin_id
from coral_lock.resolver.inputs import Inputs
from coral_lock.resolver.propagation import Problem, propagate
from coral_lock.resolver.releases import Requirement, RequirementInformation, Source
from coral_lock.resolver.solver import Outcome, solve

Unit = tuple[str, str]
"""An optional plugin, and a target for which it is wanted."""


class PluginRequirements:
    """The requirements that follow from plugins, for given versions of the hosts.

    Args:
        inputs: what the problem is made from.
        versions: the hosts' versions for which it is judged whether a plugin fits.
        only_requested: whether plugins that nobody requests are ignored.
        omitted: the optional plugins that aren't wanted.
    """

    def __init__(
        self,
        inputs: Inputs,
        versions: Mapping[str, str],
        only_requested: bool = False,
        omitted: frozenset[Unit] = frozenset(),
    ) -> None:
        self._inputs = inputs
        self._releases = inputs.releases
        self._plugins = inputs.plugins
        self._versions = versions
        self._host_at = {
            target: inputs.hosts.at(target, versions) for target in self._releases.targets
        }
        self._only_requested = only_requested
        self._omitted = omitted
        self._fitting: dict[tuple[str, str, str], Mapping[str, DiscoveredPlugin]] = {}
        self._requirements: dict[tuple[str, str, str], tuple[Requirement, ...]] = {}
        self._providers = self._find_providers()
        self.requested = self._attribute_requested()
        self.acceptable = {name: self._find_acceptable(name) for name in self._plugins.names}
        required = {
            relation.id
            for name in (self._plugins.names if omitted else ())
            for plugin in self._plugins.of(name)
            for relation in plugin.terms.requires
        }
        # An omitted plugin that another one requires may be needed all the same.
        self._idle = frozenset(unit for unit in omitted if unit[0] not in required)

    def without_omissions(self) -> PluginRequirements:
        """Return the same requirements, with nothing omitted."""
        return PluginRequirements(self._inputs, self._versions, self._only_requested)

    def fitting(self, name: str, version: str, target: str) -> Mapping[str, DiscoveredPlugin]:
        """Return the plugins of a version that would be selected on a target, by id."""
        key = (name, version, target)
        if key not in self._fitting:
            self._fitting[key] = {
                decision.plugin.id: decision.plugin
                for decision in self._plugins.judged(name, version, target, self._host_at[target])
                if decision.is_selected
            }
        return self._fitting[key]

    def misfit(self, name: str, version: str) -> str | None:
        """Return why a version doesn't offer what is wanted of it, None if it does."""
        if version in self.acceptable.get(name, ()):
            return None
        requested = self.requested.get(name, ())
        for target in self._releases.targets_of(name, version):
            decisions = self._plugins.judged(name, version, target, self._host_at[target])
            offered = {decision.plugin.id for decision in decisions}
            for identifier in requested:
                if identifier not in offered:
                    return f"doesn't offer `{identifier}`"
            for decision in decisions:
                if decision.reason is not None and decision.plugin.id in (requested or offered):
                    return decision.reason
            for plugin in self.fitting(name, version, target).values():
                missing = self._missing(plugin, name, version, target)
                if missing is not None:
                    return f"requires `{missing}`, which no compatible wheel offers"
        return None

    def roots(self) -> Iterator[RequirementInformation]:
        """Yield the requirements of the descriptor: each distribution whose plugins it wants."""
        for name in self._plugins.names:
            plugins = self.requested.get(name, ())
            targets = self._releases.targets
            if not plugins:
                if self._only_requested:
                    continue
                plugins = tuple(sorted({each for each, _ in self._units(name)}))
                targets = self._wanted_targets(name)
            for target in targets:
                yield RequirementInformation(
                    Requirement(
                        name=name,
                        target=target,
                        allowed=self.acceptable[name],
                        text=", ".join(f"`{identifier}`" for identifier in plugins),
                    ),
                    Source(plugins=plugins),
                )

    def of(self, name: str, version: str, target: str) -> tuple[Requirement, ...]:
        """Return what the plugins of a version require of other distributions and the hosts."""
        if name not in self.acceptable or (self._only_requested and name not in self.requested):
            return ()
        key = (name, version, target)
        if key not in self._requirements:
            fitting = self.fitting(*key)
            ids = self.requested[name] if self._only_requested else fitting
            self._requirements[key] = tuple(
                chain.from_iterable(
                    self._derive(fitting[identifier], name, version, target)
                    for identifier in sorted(fitting)
                    if identifier in ids and (identifier, target) not in self._idle
                )
            )
        return self._requirements[key]

    def _derive(
        self, plugin: DiscoveredPlugin, name: str, version: str, target: str
    ) -> Iterator[Requirement]:
        if plugin.facts is not None:
            for role, least in (
                ("core", plugin.facts.min_core_version),
                ("inference", plugin.facts.min_inference_version),
            ):
                required = self._inputs.hosts.at_least(role, least, target) if least else None
                if required is not None:
                    yield required
        for relation in plugin.terms.requires:
            provider = self._providers.get(relation.id)
            if relation.id not in self.fitting(name, version, target) and provider not in (
                None,
                name,
            ):
                yield Requirement(
                    name=provider,
                    target=target,
                    allowed=self._offering(provider, relation.id, target),
                    text=f"`{relation.id}`",
                    relation=relation.id,
                )
        for relation in plugin.terms.conflicts:
            for other in self._plugins.names if (relation.id, target) not in self._idle else ():
                offering = self._offering(other, relation.id, target)
                if other != name and offering:
                    yield Requirement(
                        name=other,
                        target=None,
                        allowed=frozenset(self._releases.versions(other)) - offering,
                        text=f"no `{relation.id}`",
                        relation=relation.id,
                    )

    def _offering(self, name: str, identifier: str, target: str) -> frozenset[str]:
        return frozenset(
            version
            for version in self._releases.versions(name)
            if identifier in self.fitting(name, version, target)
        )

    def _find_providers(self) -> dict[str, str]:
        """Return the distribution that is to offer each plugin; none where two would do.

        It is the one whose version that offers it comes first in the order of preference.
        """
        ranks: dict[str, dict[str, int]] = {}
        for name in self._plugins.names:
            for rank, version in enumerate(self._releases.versions(name)):
                for target in self._releases.targets:
                    for identifier in self.fitting(name, version, target):
                        ranks.setdefault(identifier, {}).setdefault(name, rank)
        providers = {}
        for identifier, by_name in ranks.items():
            best = min(by_name.values())
            names = [name for name, rank in by_name.items() if rank == best]
            if len(names) == 1 or best > 0:
                providers[identifier] = names[0]
        return providers

    def _attribute_requested(self) -> dict[str, tuple[str, ...]]:
        """Return for each distribution the plugins that are requested of it, sorted."""
        offering: dict[str, set[str]] = {}
        for name in self._plugins.names:
            for plugin in self._plugins.of(name):
                if self._plugins.is_wanted(plugin):
                    offering.setdefault(plugin.id, set()).add(name)
        requested: dict[str, set[str]] = {}
        for request in self._plugins.requested():
            identifier = plugin_id(request.group, request.name)
            names = offering.get(identifier, set())
            provider = self._providers.get(identifier) or (min(names) if len(names) == 1 else None)
            if provider is not None:
                requested.setdefault(provider, set()).add(identifier)
        return {name: tuple(sorted(ids)) for name, ids in requested.items()}

    def _find_acceptable(self, name: str) -> frozenset[str]:
        """Return the versions that offer what is requested of it, or else anything that fits.

        Those that offer what is requested of another distribution count only without others.
        """
        fitting = {
            version
            for version in self._releases.versions(name)
            if self._is_acceptable(name, version)
        }
        elsewhere = {each for other, ids in self.requested.items() if other != name for each in ids}
        without = {
            version
            for version in fitting
            if not any(
                elsewhere.intersection(self.fitting(name, version, target))
                for target in self._releases.targets
            )
        }
        return frozenset(without or fitting)

    def _is_acceptable(self, name: str, version: str) -> bool:
        requested = self.requested.get(name)
        usable = [
            {
                identifier
                for identifier, plugin in self.fitting(name, version, target).items()
                if self._missing(plugin, name, version, target) is None
            }
            for target in self._releases.targets_of(name, version)
        ]
        return all(each.issuperset(requested) for each in usable) if requested else any(usable)

    def _missing(
        self, plugin: DiscoveredPlugin, name: str, version: str, target: str
    ) -> str | None:
        """Return a plugin that another one requires and that nothing can offer."""
        for relation in plugin.terms.requires:
            provider = self._providers.get(relation.id)
            if relation.id not in self.fitting(name, version, target) and provider in (None, name):
                return relation.id
        return None

    def _units(self, name: str) -> set[Unit]:
        """Return the plugins that acceptable versions offer, each with a target."""
        return {
            (identifier, target)
            for version in self.acceptable[name]
            for target in self._releases.targets
            for identifier in self.fitting(name, version, target)
        }

    def _wanted_targets(self, name: str) -> tuple[str, ...]:
        """Return the targets for which a distribution is wanted that nobody requests.

        Where all its plugins are optional these are the targets for which any isn't omitted.
        Else they are those of the version that fits the most of them.
        """
        optional, units = self._plugins.optional, self._units(name)
        if optional and units.issubset(optional):
            remaining = {target for _, target in units - self._omitted}
            return tuple(target for target in self._releases.targets if target in remaining)
        required = Requirement(name=name, target=None, allowed=self.acceptable[name], text=name)
        fitting = (
            self._releases.targets_of(name, version)
            for version in self._releases.candidates(name, (required,))
        )
        return max(fitting, key=len, default=())


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A problem, its outcome, and what plugins required in it.

    `omitted` are the optional plugins that it does without.
    """

    problem: Problem
    outcome: Outcome
    plugins: PluginRequirements
    omitted: frozenset[Unit] = frozenset()

    @property
    def is_solved(self) -> bool:
        return self.outcome.is_solved


def plan_with_most_optional(inputs: Inputs) -> Plan:
    """Return the plan that omits optional plugins where it has to, and no others.

    They are taken in their order, by id and target, and each stays with which there still
    is a solution; so none that is omitted could be added. Where there is no solution even
    without all of them, the result is that one.
    """
    units = inputs.plugins.optional
    whole = plan(inputs)
    if whole.is_solved or not units:
        return whole
    without = plan(inputs, frozenset(units))
    return _with_more(inputs, without, units) if without.is_solved else without


def _with_more(inputs: Inputs, solved: Plan, units: Sequence[Unit]) -> Plan:
    """Return a solved plan with those of some plugins added that can be, not being all."""
    if len(units) > 1:
        middle = len(units) // 2
        for half in (units[:middle], units[middle:]):
            attempt = plan(inputs, solved.omitted.difference(half))
            solved = attempt if attempt.is_solved else _with_more(inputs, solved, half)
    return solved


def plan(inputs: Inputs, omitted: frozenset[Unit] = frozenset()) -> Plan:
    """Solve for the hosts and what is requested, then for everything that is wanted.

    What a host itself requires is met where it can be. It needn't be where no plugin needs
    the host, as then it is only a warning in the end.

    Args:
        inputs: what the problem is made from.
        omitted: the optional plugins that aren't wanted.
    """
    hosts = frozenset(inputs.hosts.names)
    strict = _plan(inputs, hosts, omitted)
    if strict.is_solved or not hosts:
        return strict
    followed: frozenset[str] = frozenset()
    while True:
        lenient = _plan(inputs, followed, omitted)
        needed = frozenset(
            name
            for name in hosts
            for requirement, source in lenient.outcome.propagation.incoming.get(name, ())
            if source.name is not None and requirement.target is not None
        )
        if not lenient.is_solved or needed <= followed:
            return lenient
        followed |= needed


def _plan(inputs: Inputs, followed: frozenset[str], omitted: frozenset[Unit]) -> Plan:
    versions: Mapping[str, str] = inputs.hosts.newest()
    if inputs.hosts.is_open():
        first = _solved(
            inputs, PluginRequirements(inputs, versions, only_requested=True), {}, followed
        )
        if not first.is_solved:
            return first
        chosen = first.outcome.propagation.versions
        versions = {name: chosen[name] for name in inputs.hosts.names}
    plugins = PluginRequirements(inputs, versions, omitted=omitted)
    pinned = _solved(inputs, plugins, versions, followed, omitted)
    if pinned.is_solved or not inputs.hosts.is_open():
        return pinned
    free = _solved(inputs, plugins, {}, followed, omitted)
    return free if free.is_solved else pinned


def _solved(
    inputs: Inputs,
    plugins: PluginRequirements,
    pins: Mapping[str, str],
    followed: frozenset[str],
    omitted: frozenset[Unit] = frozenset(),
) -> Plan:
    problem = _problem(inputs, plugins, pins, followed)
    return Plan(problem=problem, outcome=solve(problem), plugins=plugins, omitted=omitted)


def _problem(
    inputs: Inputs,
    plugins: PluginRequirements,
    pins: Mapping[str, str],
    followed: frozenset[str],
) -> Problem:
    """Return the problem that hosts and plugins make.

    Args:
        inputs: what it is made from.
        plugins: what plugins require.
        pins: versions of hosts that are settled.
        followed: the hosts whose own requirements are to be met.
    """
    ignored = frozenset(inputs.hosts.names) - followed

    def requirements_of(
        name: str, version: str, extra: str, target: str
    ) -> tuple[Requirement, ...]:
        if name in ignored:
            return ()
        declared = inputs.requirements.of(name, version, extra, target)
        return declared if extra else (*declared, *plugins.of(name, version, target))

    return Problem(
        releases=inputs.releases,
        roots=(*inputs.hosts.roots(pins), *plugins.roots(), *inputs.program),
        requirements_of=requirements_of,
    )


def best_versions(inputs: Inputs, plan: Plan) -> tuple[dict[str, str], frozenset[str]]:
    """Return a version of everything that takes part, even if the problem is unsolvable.

    These are the solution, what the hosts require besides, and a version of every
    distribution that declares plugins, or may do so as all its wheels are broken. What
    omitted plugins would need is included as far as it can be used, so that what they lack
    can be reported.

    Returns:
        The versions by name, sorted, and the names of what is needed.
    """
    releases = inputs.releases
    solution = plan.outcome.propagation.versions if plan.is_solved else {}
    versions = {**_followed(inputs, plan.plugins, solution), **solution}
    needed = frozenset(versions)
    if plan.omitted:
        everything = _followed(inputs, plan.plugins.without_omissions(), versions)
        for name, version in everything.items():
            if releases.broken(name, version) is None:
                versions.setdefault(name, version)
    for name in (*inputs.plugins.names, *inputs.plugins.unreadable):
        if name not in versions:
            is_missed = name in plan.plugins.requested and not plan.is_solved
            for version in releases.candidates(name):
                if is_missed or releases.targets_of(name, version):
                    versions[name] = version
                    break
    return {name: versions[name] for name in sorted(versions)}, needed


def _followed(
    inputs: Inputs, plugins: PluginRequirements, pins: Mapping[str, str]
) -> Mapping[str, str]:
    """Return where following what is wanted leads, with some versions pinned."""
    problem = _problem(inputs, plugins, {}, frozenset(inputs.hosts.names))
    return propagate(problem, pins, is_lenient=True).versions
