"""Why a problem has no solution, as findings with what would help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice

from coral_lock.errors import abridged
from coral_lock.finding import Finding
from coral_lock.locking.closure import PROGRAM
from coral_lock.resolver.plugins import Inputs, PluginRequirements
from coral_lock.resolver.propagation import Chain, Problem, Propagation, propagate
from coral_lock.resolver.releases import (
    NO_WHEEL,
    Releases,
    RequirementInformation,
    needed_nodes,
    target_names,
)
from coral_lock.resolver.solver import Outcome, Plan, SearchGivenUp, search, solve
from coral_lock.wheels.listing import FETCH

_MAX_CAUSES = 10
_MAX_NAMES = 8
_MAX_VERSIONS = 8
_MAX_FILES = 4


def explain(inputs: Inputs, plan: Plan, most: int = _MAX_CAUSES) -> tuple[Finding, ...]:
    """Return the findings of the independent causes why a plan isn't solved.

    What is wrong with the only version of a plugin isn't among them, as judging that version
    says more.
    """
    causes = islice(_causes(plan.outcome), most)
    return tuple(
        finding for each in causes for finding in _Cause(inputs, plan.plugins, each).findings()
    )


def _causes(outcome: Outcome) -> Iterator[Outcome]:
    """Yield the outcomes of parts of a problem that have no solution by themselves."""
    problem = outcome.problem
    while not outcome.is_solved:
        smallest = _smallest(outcome)
        yield outcome if smallest is outcome.problem else solve(smallest)
        wanted = {root.requirement.name for root in smallest.roots if root.source.plugins}
        if not wanted:
            return
        problem = problem.with_roots(set(problem.root_names()) - wanted)
        outcome = solve(problem)


def _smallest(outcome: Outcome) -> Problem:
    """Return the problem with roots of which none can be left out, if that can be proven."""
    if not outcome.is_proven:
        return outcome.problem
    smallest = outcome.problem.with_roots(outcome.involved)
    for name in smallest.root_names():
        fewer = smallest.with_roots(set(smallest.root_names()) - {name})
        with suppress(SearchGivenUp):
            if search(fewer, outcome.involved) is None:
                smallest = fewer
    return smallest


@dataclass(frozen=True, kw_only=True, slots=True)
class _Conflict:
    """A distribution of which no version meets all requirements.

    Args:
        name: the distribution.
        incoming: the fewest requirements that can't be met together.
        chains: how each of these comes about.
        targets: all the targets that need the distribution, sorted.
    """

    name: str
    incoming: tuple[RequirementInformation, ...]
    chains: tuple[Chain, ...]
    targets: tuple[str, ...]

    @property
    def subject(self) -> str:
        """The first plugin at the root of it, or else the distribution."""
        plugins = (plugin for each in self.chains for plugin in each[0].source.plugins)
        return min(plugins, default=self.name or "program")

    @property
    def is_own(self) -> bool:
        """Whether it states the requirement itself, as a malformed one counts."""
        return all((source.name or PROGRAM) == self.name for _, source in self.incoming)

    @property
    def wording(self) -> str:
        return "; ".join(dict.fromkeys(map(_chain_text, self.chains)))


def _conflicts(problem: Problem) -> Iterator[_Conflict]:
    """Yield where the best versions conflict, or would if nothing else were tried."""
    propagation = propagate(problem, is_lenient=True)
    depths = propagation.depths()
    for name in propagation.conflicts:
        incoming = _fewest(problem, name, propagation)
        yield _Conflict(
            name=name,
            incoming=incoming,
            chains=tuple(propagation.chain(each, depths) for each in incoming),
            targets=tuple(sorted({node[2] for node in propagation.nodes.get(name, ())})),
        )


def _fewest(
    problem: Problem, name: str, propagation: Propagation
) -> tuple[RequirementInformation, ...]:
    """Return requirements on a distribution of which none can be left out."""
    fewest = list(dict.fromkeys(propagation.incoming[name]))
    for each in list(fewest):
        fewer = [other for other in fewest if other is not each]
        requirements = [incoming.requirement for incoming in fewer]
        candidates = problem.releases.candidates(name, requirements, needed_nodes(fewer))
        if fewer and next(candidates, None) is None:
            fewest = fewer
    return tuple(fewest)


def _chain_text(links: Chain) -> str:
    """Return how a requirement comes about: `patches:a` (acme-a 2.0) → b 1.0 requires `c<2`."""
    root, last = links[0], links[-1]
    plugins = ", ".join(f"`{plugin}`" for plugin in root.source.plugins)
    wanted = "the program" if root.source.is_program else plugins
    if len(links) == 1:
        if root.source.is_program:
            return f"{wanted} requires `{root.requirement.text}`"
        return f"{wanted} is wanted" if wanted else f"the host is `{root.requirement.text}`"
    first, *others = [f"{source.name} {source.version}" for _, source in links[1:]]
    way = [f"{wanted} ({first})" if wanted else first, *others]
    return f"{' → '.join(way)} requires `{last.requirement.text}`"


class _Cause:
    """Roots that can't be met together.

    Args:
        inputs: what there is to choose from.
        plugins: what plugins require.
        outcome: what solving the problem with these roots alone came to.
    """

    def __init__(self, inputs: Inputs, plugins: PluginRequirements, outcome: Outcome) -> None:
        self._releases = inputs.releases
        self._descriptor = inputs.descriptor
        self._plugins = plugins
        self._outcome = outcome
        self._wanted = sorted(
            {root.source.plugins for root in outcome.problem.roots if root.source.plugins}
        )

    def findings(self) -> Iterator[Finding]:
        """Yield a finding for each distribution without a wheel, else for the first conflict."""
        conflicts = list(_conflicts(self._outcome.problem))
        for conflict in [each for each in conflicts if self._lacking(each)] or conflicts[:1]:
            if all(source.plugins for _, source in conflict.incoming) and not self._lacking(
                conflict
            ):
                yield from self._misfit(conflict)
            else:
                yield self._unmet(conflict)

    def _lacking(self, conflict: _Conflict) -> list[str]:
        """Return the targets that need a distribution for which it has no wheel."""
        return [each for each in conflict.targets if not self._releases.at(conflict.name, each)]

    def _unmet(self, conflict: _Conflict) -> Finding:
        name, lacking = conflict.name, self._lacking(conflict)
        code, found = "requirement-unmet", list(self._tried(conflict))
        if conflict.is_own:
            summary = conflict.wording
        elif lacking:
            sources = [self._releases.sources[target] for target in lacking]
            files = sorted({each for source in sources for each in source.unfitting(name)})
            summary = f"{conflict.wording}, and `{name}` has {NO_WHEEL if files else 'no wheel'}"
            summary += f" for {target_names(lacking)}" if any(lacking) else ""
            found.insert(0, abridged(files, _MAX_FILES) or "nothing")
        else:
            is_proven = self._outcome.is_proven
            why = "meets all requirements" if is_proven else "was found before the search gave up"
            code, summary = "no-solution", f"no version of `{name}` {why}: {conflict.wording}"
        texts = [each.requirement.text for each in conflict.incoming]
        expected = dict.fromkeys(text if "`" in text else f"`{text}`" for text in texts)
        ways = [
            self._wheel_to_fetch(conflict),
            self._wheel_to_add(conflict),
            *self._relaxations(conflict),
            self._switch_off(),
        ]
        return Finding(
            code=code,
            subject=conflict.subject,
            summary=summary,
            expected=", ".join(expected),
            found="; ".join(found) or None,
            where=self._where(),
            hint=", or ".join(filter(None, ways)) or "change what is required, or add wheels",
        )

    def _misfit(self, conflict: _Conflict) -> Iterator[Finding]:
        name = conflict.name
        versions = self._releases.newest_first(name)
        if len(versions) == 1 and self._plugins.misfit(name, versions[0]):
            return
        texts = [
            f"{version}: {self._reason(name, version) or 'not available for every target'}"
            for version in versions
        ]
        plugins = " and ".join(f"`{each}`" for each in conflict.incoming[0].source.plugins)
        yield Finding(
            code="no-solution",
            subject=conflict.subject,
            summary=f"no compatible version of `{name}` offers {plugins}",
            found=abridged(texts, _MAX_VERSIONS, "; "),
            where=self._where(),
            hint=f"add a compatible version of `{name}`, or {self._switch_off()}",
        )

    def _tried(self, conflict: _Conflict) -> Iterator[str]:
        """Yield the versions of what is involved, and why one can't be in any solution."""
        said = {(source.name, source.version) for each in conflict.chains for _, source in each}
        others = [name for name in self._outcome.involved if name != conflict.name]
        known = [name for name in (conflict.name, *others) if self._releases.versions(name)]
        for name in known[:_MAX_NAMES]:
            versions = []
            for version in self._releases.newest_first(name):
                reason = None if (name, version) in said else self._reason(name, version)
                versions.append(f"{version} ({reason})" if reason else version)
            yield f"{name} {abridged(versions, _MAX_VERSIONS)}"

    def _reason(self, name: str, version: str) -> str | None:
        """Return why a version can't be in any solution by itself."""
        propagation = self._outcome.propagation
        impossible = (
            f"requires `{required.text}`"
            for node in propagation.nodes.get(name, ())
            for required in self._outcome.problem.requirements(node, version)
            if not required.allowed
        )
        misfit = misfit_of(self._releases, propagation, name, version)
        return misfit or self._plugins.misfit(name, version) or next(impossible, None)

    def _wheel_to_fetch(self, conflict: _Conflict) -> str:
        """Return how to get the version that the lock has, where there is no wheel of it."""
        is_there = any(
            self._releases.is_kept(conflict.name, version)
            for version in self._releases.versions(conflict.name)
        )
        return "" if is_there or conflict.name not in self._releases.kept else FETCH

    def _wheel_to_add(self, conflict: _Conflict) -> str:
        """Return which wheel would help, where a single requirement can't be met."""
        if len(conflict.incoming) > 1 or conflict.is_own:
            return ""
        requirement = conflict.incoming[0].requirement
        lacking = [
            target
            for target in conflict.targets
            if not any(
                self._releases.can_have(conflict.name, version, target)
                for version in requirement.allowed
            )
        ]
        meets = f"meets `{requirement.specifier}`" if requirement.specifier else ""
        fits = f"fits {target_names(lacking)}" if any(lacking) else ""
        properties = " and ".join(filter(None, (meets, fits)))
        return f"add a wheel of `{conflict.name}`" + (f" that {properties}" if properties else "")

    def _relaxations(self, conflict: _Conflict) -> Iterator[str]:
        """Yield the requirements without which these versions don't conflict."""
        number = len(self._releases.versions(conflict.name))
        for requirement, source in conflict.incoming:
            if source.name and 0 < len(requirement.allowed) < number:
                yield f"have `{source.name}` relax `{requirement.text}`"

    def _switch_off(self) -> str:
        """Return which plugins could be switched off; each helps, as none can be left out."""
        ids = [" and ".join(f"`{each}`" for each in plugins) for plugins in self._wanted]
        return f"switch {' or '.join(ids)} off" if ids else ""

    def _where(self) -> str | None:
        """Return where the descriptor requests one of the plugins."""
        if any(root.source.is_program for root in self._outcome.problem.roots):
            return self._descriptor.origins.get("program.requires")
        for identifier in chain.from_iterable(self._wanted):
            request = self._descriptor.request(identifier)
            if request is not None and request.enabled:
                return request.where
        return None


def misfit_of(releases: Releases, propagation: Propagation, name: str, version: str) -> str | None:
    """Return why a version can't be installed where it is needed."""
    targets = sorted({node[2] for node in propagation.nodes.get(name, ())}) or releases.targets
    return releases.misfit(name, version, targets)
