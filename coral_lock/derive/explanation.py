"""Why a plugin is in a lock, at that version, or why it isn't."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from coral_lock.derive.opening import Opened
from coral_lock.descriptor.model import Descriptor
from coral_lock.finding import has_errors
from coral_lock.lockfile.entries import Host
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.parts import part_of
from coral_lock.locking.decision import Decision, details_of
from coral_lock.locking.resolution import Survey
from coral_lock.names import base_id


def shortest_chain(lock: Lock, name: str) -> tuple[str, ...]:
    """Return the shortest chain of requirements that leads to a distribution.

    It begins with a distribution that provides a plugin, or else with a host, and ends
    with `name`.

    Args:
        lock: the lock; what only some targets require counts too.
        name: a distribution of it.
    """
    requirers: dict[str, set[str]] = {}
    for each in lock.distributions:
        for required in (*each.requires, *chain.from_iterable(each.target_requires.values())):
            requirers.setdefault(required, set()).add(each.name)
    chains: list[tuple[str, ...]] = [(name,)]
    seen = {name}
    for found in chains:
        longer = sorted(requirers.get(found[0], set()) - seen)
        seen.update(longer)
        chains.extend((other, *found) for other in longer)
    hosts = {package.distribution for package in lock.host.packages()}
    for ends in (set(lock.plugin_distributions()), hosts):
        for found in chains:
            if found[0] in ends:
                return found
    return (name,)


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


@dataclass(frozen=True, slots=True)
class Explainer:
    """Explains with what is known of a place.

    Args:
        lock: the existing lock, or None.
        lock_name: its name in messages.
        opened: the place.
        surveys: what is decided there, by the target's name.
        descriptor: what the runtime should run.
    """

    lock: Lock | None
    lock_name: str
    opened: Opened
    surveys: Mapping[str, Survey]
    descriptor: Descriptor

    def _parts(self) -> Mapping[str, Lock]:
        """Return what the lock says of each target; of a lock without targets all, under ``."""
        lock = self.lock
        if lock is None:
            return {}
        return {each.name: part_of(lock, each.name) for each in lock.targets} or {"": lock}

    def ids(self) -> tuple[str, ...]:
        """Return the ids of all plugins that the lock or the place knows, sorted."""
        known = {
            decision.plugin.id for survey in self.surveys.values() for decision in survey.decisions
        }
        if self.opened.choice is not None:
            known |= self.opened.choice.known
        if self.lock is not None:
            known.update(plugin.id for plugin in self.lock.plugins)
            known.update(self.lock.known_plugins())
        return tuple(sorted(known))

    def plugin(self, identifier: str) -> Explanation:
        """Explain a plugin that is one of `ids`."""
        lock = self.lock
        locked = [each for each in (lock.plugins if lock else ()) if each.id == identifier]
        excluded = [
            each for each in (lock.excluded if lock else ()) if base_id(each.id) == identifier
        ]
        decisions = {
            target: [each for each in survey.decisions if each.plugin.id == identifier]
            for target, survey in sorted(self.surveys.items())
        }
        names = {each.plugin.distribution.name for each in chain.from_iterable(decisions.values())}
        names.update(each.distribution for each in locked)
        names.update(each.distribution for each in excluded)
        if lock is None:
            headline = (
                f"there is no {self.lock_name}; "
                f"this is what locking would decide about {identifier}"
            )
        elif locked:
            name, targets = locked[0].distribution, locked[0].targets
            where = f" for {', '.join(targets)}" if targets else ""
            headline = (
                f"{identifier} is in {self.lock_name}{where}, "
                f"from {name} {lock.distribution(name).version}"
            )
        elif excluded:
            headline = f"{identifier} is left out of {self.lock_name}"
        else:
            headline = f"{identifier} isn't in {self.lock_name}"
        return Explanation(
            headline=headline,
            lines=(*self._lines(identifier, decisions), *self._version_lines(sorted(names))),
            is_locked=bool(locked),
            distributions=tuple(sorted(names)),
            advice=self._advice(identifier, decisions),
        )

    def distribution(self, name: str) -> Explanation | None:
        """Explain why the lock holds a distribution; None where it doesn't."""
        if self.lock is None or name not in {each.name for each in self.lock.distributions}:
            return None
        locked = self.lock.distribution(name)
        lines = [
            ("plugin", plugin.id) for plugin in self.lock.plugins if plugin.distribution == name
        ]
        host = self.lock.host
        for role, package in (("core", host.core), ("inference", host.inference)):
            if package is not None and package.distribution == name:
                lines.append(("host", role))
        needed_by = shortest_chain(self.lock, name)
        if len(needed_by) > 1:
            lines.append(("needed by", " → ".join(needed_by)))
        if locked.targets:
            lines.append(("for", ", ".join(locked.targets)))
        return Explanation(
            headline=f"{name} {locked.version} is in {self.lock_name}",
            lines=(*lines, *self._version_lines([name])),
            is_locked=True,
            distributions=(name,),
        )

    def _lines(
        self, identifier: str, decisions: Mapping[str, Sequence[Decision]]
    ) -> Iterator[Line]:
        """Yield why the lock leaves a plugin out, who asks for it, and what is decided now."""
        parts = self._parts()
        left_out = [
            (name, (("left out", f"{excluded.distribution}: {excluded.reason}"),))
            for name, part in parts.items()
            for excluded in part.excluded
            if base_id(excluded.id) == identifier
        ]
        yield from _by_target(left_out, len(parts))
        request = self.descriptor.request(identifier)
        if request is None:
            yield "requested", f"no; `plugins.discover` is `{self.descriptor.discover}`"
        elif request.enabled:
            yield "requested", request.where + (", optional" if request.optional else "")
        else:
            yield "switched off", request.where
        found = [
            (target, tuple(_lines_of(decision, self.surveys[target].host)))
            for target, several in decisions.items()
            for decision in several
        ]
        if not found:
            yield "now", "no inspected distribution offers it"
        yield from _by_target(found, len(self.surveys))
        needing = {
            decision.plugin.id
            for survey in self.surveys.values()
            for decision in survey.decisions
            if decision.is_selected
            and identifier in {relation.id for relation in decision.plugin.terms.requires}
        }
        if needing:
            yield "needed by", ", ".join(sorted(needing))

    def _version_lines(self, distributions: Sequence[str]) -> Iterator[Line]:
        choice = self.opened.choice
        for name in distributions:
            for version, verdict in (choice.considered(name) if choice else {}).items():
                yield "version", f"{name} {version}: {verdict}"

    def _advice(self, identifier: str, decisions: Mapping[str, Sequence[Decision]]) -> str | None:
        """Return what to do where the lock says something else than what is decided now.

        Nothing where it failed to lock now, or where the lock is for other targets than
        those that are inspected.
        """
        surveys = self.surveys.values()
        if has_errors(self.opened.findings) or any(has_errors(each.findings) for each in surveys):
            return None
        for target, part in self._parts().items():
            locked = {
                (plugin.distribution, part.distribution(plugin.distribution).version)
                for plugin in part.plugins
                if plugin.id == identifier
            }
            now = {
                (each.plugin.distribution.name, each.plugin.distribution.version)
                for each in decisions.get(target, ())
                if each.is_selected
            }
            if target in decisions and now != locked:
                return (
                    "locking again would change this: run `coral-runtime lock` with the same "
                    "descriptor and place"
                )
        return None


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


def _lines_of(decision: Decision, host: Host) -> Iterator[Line]:
    distribution = decision.plugin.distribution
    mark = "selected" if decision.is_selected else "left out"
    yield "now", f"{distribution.name} {distribution.version}, {mark}"
    yield from details_of(decision, host)
