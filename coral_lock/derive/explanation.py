"""Why a plugin is in a lock, at that version, or why it isn't."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from coral_lock.derive.place import Opened
from coral_lock.descriptor.model import Descriptor
from coral_lock.finding import has_errors
from coral_lock.lockfile.entries import Host
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.parts import part_of
from coral_lock.locking.decision import Decision
from coral_lock.locking.resolution import Survey
from coral_lock.names import base_id, split_plugin_id


def shortest_chain(lock: Lock, name: str) -> tuple[str, ...]:
    """Return the shortest chain of requirements that leads to a distribution.

    It begins with a distribution that provides a plugin, or else with a host, and ends
    with `name`. Of chains of one length the first in alphabetical order counts.

    Args:
        lock: the lock; what only some targets require counts too.
        name: a distribution of it.
    """
    requirers: dict[str, list[str]] = {each.name: [] for each in lock.distributions}
    for distribution in lock.distributions:
        edges = {*distribution.requires}
        for required in distribution.target_requires.values():
            edges.update(required)
        for required_name in sorted(edges):
            requirers[required_name].append(distribution.name)
    providers = set(lock.plugin_distributions())
    hosts = {package.distribution for package in lock.host.packages()}
    chains: list[tuple[str, ...]] = [(name,)]
    seen = {name}
    from_hosts: list[tuple[str, ...]] = []
    while chains:
        for chain in chains:
            if chain[0] in providers:
                return chain
        from_hosts.extend(chain for chain in chains if chain[0] in hosts)
        longer: dict[str, tuple[str, ...]] = {}
        for chain in chains:
            for other in requirers[chain[0]]:
                if other not in seen:
                    longer.setdefault(other, (other, *chain))
        seen.update(longer)
        chains = [longer[other] for other in sorted(longer)]
    return from_hosts[0] if from_hosts else (name,)


def least(version: str | None) -> str:
    """Return a requirement on a host's version: `>= 0.0.4`, or `any`."""
    return f">= {version}" if version else "any"


def listed_hosts(host: Host) -> str:
    """Return the hosts that are known, with their versions: `coral-inference 0.0.4`."""
    known = ", ".join(f"{each.distribution} {each.version}" for each in host.packages())
    return known or "no host is known"


Line = tuple[str, str]
"""A label, and what it says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """The answer to `explain`.

    Args:
        headline: one sentence.
        lines: what supports it, in order.
        is_locked: whether the lock contains it.
        distributions: the names of the distributions that it is about, sorted.
        advice: what to do where the lock isn't what would be derived now, or None.
    """

    headline: str
    lines: tuple[Line, ...]
    is_locked: bool
    distributions: tuple[str, ...]
    advice: str | None = None


class Explainer:
    """Explains with what is known of a place.

    Args:
        lock: the existing lock, or None.
        lock_name: its name in messages.
        opened: the place.
        surveys: what is decided there, by the target's name.
        descriptor: what the runtime should run.
    """

    def __init__(
        self,
        lock: Lock | None,
        lock_name: str,
        opened: Opened,
        surveys: Mapping[str, Survey],
        descriptor: Descriptor,
    ) -> None:
        self._lock = lock
        self._lock_name = lock_name
        self._parts = _parts_of(lock)
        self._opened = opened
        self._surveys = surveys
        self._descriptor = descriptor

    def ids(self) -> tuple[str, ...]:
        """Return the ids of all plugins that the lock or the place knows, sorted."""
        known = {
            decision.plugin.id
            for survey in self._surveys.values()
            for decision in survey.selection.decisions
        }
        if self._opened.choice is not None:
            known |= self._opened.choice.known
        if self._lock is not None:
            known.update(plugin.id for plugin in self._lock.plugins)
            known.update(self._lock.known_plugins())
        return tuple(sorted(known))

    def plugin(self, identifier: str) -> Explanation:
        """Explain a plugin that is one of `ids`."""
        decisions = {
            target: [each for each in survey.selection.decisions if each.plugin.id == identifier]
            for target, survey in sorted(self._surveys.items())
        }
        distributions = {
            each.plugin.distribution.name for several in decisions.values() for each in several
        }
        distributions.update(self._locked_distributions(identifier))
        return Explanation(
            headline=self._headline(identifier),
            lines=(
                *self._exclusion_lines(identifier),
                *self._request_lines(identifier),
                *self._decision_lines(decisions),
                *self._needed_by(identifier),
                *self._version_lines(sorted(distributions)),
            ),
            is_locked=self._is_locked(identifier),
            distributions=tuple(sorted(distributions)),
            advice=self._advice(identifier, decisions),
        )

    def distribution(self, name: str) -> Explanation | None:
        """Explain why the lock holds a distribution; None where it doesn't."""
        if self._lock is None or name not in {each.name for each in self._lock.distributions}:
            return None
        locked = self._lock.distribution(name)
        lines: list[Line] = [
            ("plugin", plugin.id) for plugin in self._lock.plugins if plugin.distribution == name
        ]
        lines.extend(
            ("host", role)
            for role, host in (
                ("core", self._lock.host.core),
                ("inference", self._lock.host.inference),
            )
            if host is not None and host.distribution == name
        )
        chain = shortest_chain(self._lock, name)
        if len(chain) > 1:
            lines.append(("needed by", " → ".join(chain)))
        if locked.targets:
            lines.append(("for", ", ".join(locked.targets)))
        return Explanation(
            headline=f"{name} {locked.version} is in {self._lock_name}",
            lines=(*lines, *self._version_lines([name])),
            is_locked=True,
            distributions=(name,),
        )

    def _is_locked(self, identifier: str) -> bool:
        return any(
            plugin.id == identifier for part in self._parts.values() for plugin in part.plugins
        )

    def _locked_distributions(self, identifier: str) -> Iterator[str]:
        if self._lock is not None:
            for plugin in self._lock.plugins:
                if plugin.id == identifier:
                    yield plugin.distribution
            for excluded in self._lock.excluded:
                if base_id(excluded.id) == identifier:
                    yield excluded.distribution

    def _headline(self, identifier: str) -> str:
        if self._lock is None:
            return (
                f"there is no {self._lock_name}; "
                f"this is what locking would decide about {identifier}"
            )
        for plugin in self._lock.plugins:
            if plugin.id == identifier:
                version = self._lock.distribution(plugin.distribution).version
                where = f" for {', '.join(plugin.targets)}" if plugin.targets else ""
                return (
                    f"{identifier} is in {self._lock_name}{where}, "
                    f"from {plugin.distribution} {version}"
                )
        if any(base_id(excluded.id) == identifier for excluded in self._lock.excluded):
            return f"{identifier} is left out of {self._lock_name}"
        return f"{identifier} isn't in {self._lock_name}"

    def _exclusion_lines(self, identifier: str) -> Iterator[Line]:
        """Yield why the lock leaves it out."""
        found = [
            (name, (("left out", f"{excluded.distribution}: {excluded.reason}"),))
            for name, part in self._parts.items()
            for excluded in part.excluded
            if base_id(excluded.id) == identifier
        ]
        return _by_target(found, len(self._parts))

    def _request_lines(self, identifier: str) -> Iterator[Line]:
        request = self._descriptor.request(*split_plugin_id(identifier))
        if request is None:
            yield "requested", f"no; `plugins.discover` is `{self._descriptor.discover}`"
        elif request.enabled:
            yield "requested", request.where + (", optional" if request.optional else "")
        else:
            yield "switched off", request.where

    def _decision_lines(self, decisions: Mapping[str, Sequence[Decision]]) -> Iterator[Line]:
        """Yield what is decided now."""
        found = [
            (target, tuple(_lines_of(decision, self._surveys[target].host)))
            for target, several in decisions.items()
            for decision in several
        ]
        if not found:
            yield "now", "no inspected distribution offers it"
        yield from _by_target(found, len(self._surveys))

    def _needed_by(self, identifier: str) -> Iterator[Line]:
        needing = {
            decision.plugin.id
            for survey in self._surveys.values()
            for decision in survey.selection.decisions
            if decision.is_selected
            and identifier in {relation.id for relation in decision.plugin.terms.requires}
        }
        if needing:
            yield "needed by", ", ".join(sorted(needing))

    def _version_lines(self, distributions: Sequence[str]) -> Iterator[Line]:
        choice = self._opened.choice
        for name in distributions:
            for considered in choice.considered.get(name, ()) if choice else ():
                yield "version", f"{name} {considered.version}: {considered.verdict}"

    def _advice(self, identifier: str, decisions: Mapping[str, Sequence[Decision]]) -> str | None:
        """Return what to do where the lock says something else than what is decided now.

        Nothing where failed to lock now, or where the lock is for other targets than
        those that are inspected.
        """
        surveys = self._surveys.values()
        if has_errors(self._opened.findings) or any(has_errors(each.findings) for each in surveys):
            return None
        for target, several in decisions.items():
            if self._lock is not None and target not in self._parts:
                continue
            now = {
                (each.plugin.distribution.name, each.plugin.distribution.version)
                for each in several
                if each.is_selected
            }
            if now == self._locked_versions(identifier, target):
                continue
            offered = " and ".join(f"{name} {version}" for name, version in sorted(now))
            change = f"take `{identifier}` from {offered}" if now else "drop it"
            return (
                f"locking again would {change}: run `coral-runtime lock` with the same "
                "descriptor and place"
            )
        return None

    def _locked_versions(self, identifier: str, target: str) -> set[tuple[str, str]]:
        part = self._parts.get(target)
        return {
            (plugin.distribution, part.distribution(plugin.distribution).version)
            for plugin in (part.plugins if part else ())
            if part is not None and plugin.id == identifier
        }


def _by_target(found: Sequence[tuple[str, tuple[Line, ...]]], number: int) -> Iterator[Line]:
    """Yield lines of targets: what is the same for several appears once, with their names.

    Args:
        found: targets and their lines.
        number: how many targets there are; what is the same for all names none.
    """
    targets: dict[tuple[Line, ...], list[str]] = {}
    for target, lines in found:
        targets.setdefault(lines, []).append(target)
    for lines, names in targets.items():
        if len(names) < number:
            yield "for", ", ".join(names)
        yield from lines


def _parts_of(lock: Lock | None) -> dict[str, Lock]:
    """Return what a lock says of each of its targets; of one without targets all, under ``."""
    if lock is None:
        return {}
    return {target.name: part_of(lock, target.name) for target in lock.targets} or {"": lock}


def _lines_of(decision: Decision, host: Host) -> Iterator[Line]:
    plugin = decision.plugin
    mark = "selected" if decision.is_selected else f"left out: {decision.reason}"
    yield "now", f"{plugin.distribution.name} {plugin.distribution.version}, {mark}"
    if plugin.facts is not None:
        core, inference = plugin.facts.min_core_version, plugin.facts.min_inference_version
        yield (
            "requires",
            f"core {least(core)}, inference {least(inference)} ({listed_hosts(host)})",
        )
        yield "source", str(plugin.evidence)
    for relation in plugin.terms.requires:
        yield "needs", f"{relation.id}: {relation.reason}"
