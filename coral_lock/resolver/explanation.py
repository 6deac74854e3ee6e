"""Why a problem has no solution, as findings with what would help."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, islice

from coral_lock.finding import Finding
from coral_lock.names import split_plugin_id
from coral_lock.resolver.plugins import Inputs, PluginRequirements
from coral_lock.resolver.propagation import Chain, Problem, Propagation, propagate
from coral_lock.resolver.releases import (
    NO_WHEEL,
    Node,
    Releases,
    Requirement,
    RequirementInformation,
    needed_nodes,
    target_names,
)
from coral_lock.resolver.solver import Outcome, Plan, SearchGivenUp, search, solve

_MAX_CAUSES = 10
_MAX_NAMES = 8
_MAX_VERSIONS = 8
_MAX_FILES = 4
_MAX_TRIED = 8


def explain(
    inputs: Inputs, plan: Plan, most: int = _MAX_CAUSES
) -> tuple[tuple[Finding, ...], frozenset[str]]:
    """Return the findings of the independent causes why a plan isn't solved.

    Where nothing could have been chosen differently there are none: then resolving the only
    versions that there are says everything.

    Returns:
        The findings, and the plugins of which they compare several versions.
    """
    causes = [_Cause(inputs, plan.plugins, each) for each in islice(_causes(plan.outcome), most)]
    if not any(cause.has_alternatives() for cause in causes):
        return (), frozenset()
    findings = tuple(finding for cause in causes for finding in cause.findings())
    return findings, frozenset(subject for cause in causes for subject in cause.compared)


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
        return min(plugins, default=self.name)

    @property
    def wording(self) -> str:
        return "; ".join(dict.fromkeys(map(_chain_text, self.chains)))

    def meeting(self, versions: Sequence[str]) -> list[str]:
        """Return the versions that meet all requirements."""
        required = [each.requirement.allowed for each in self.incoming]
        return [version for version in versions if all(version in each for each in required)]


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

    Attributes:
        compared: the plugins of which the findings compare several versions.
    """

    def __init__(self, inputs: Inputs, plugins: PluginRequirements, outcome: Outcome) -> None:
        self._releases = inputs.releases
        self._descriptor = inputs.descriptor
        self._plugins = plugins
        self._outcome = outcome
        self._problem = outcome.problem
        self._conflicts = tuple(_conflicts(outcome.problem))
        self._wanted = sorted(
            {root.source.plugins for root in self._problem.roots if root.source.plugins}
        )
        self.compared: set[str] = set()

    def has_alternatives(self) -> bool:
        """Whether anything involved has another version, or one that can't be chosen."""
        releases = self._releases
        names = {*self._problem.root_names(), *self._outcome.involved}
        for conflict in self._conflicts:
            names.add(conflict.name)
            names.update(each.requirement.name for each in chain.from_iterable(conflict.chains))
        return any(
            len(releases.versions(name)) > 1
            or any(source.unfitting(name) for source in releases.sources.values())
            or any(
                releases.misfit(name, each, releases.targets) for each in releases.versions(name)
            )
            for name in names
        )

    def findings(self) -> Iterator[Finding]:
        """Yield a finding for each distribution without a wheel, else for the first conflict."""
        missing = [conflict for conflict in self._conflicts if self._without_wheel(conflict)]
        for conflict in missing or self._conflicts[:1]:
            if not missing and all(source.plugins for _, source in conflict.incoming):
                yield self._misfit(conflict)
            else:
                yield self._unmet(conflict)

    def _without_wheel(self, conflict: _Conflict) -> list[str]:
        return [each for each in conflict.targets if not self._releases.at(conflict.name, each)]

    def _unmet(self, conflict: _Conflict) -> Finding:
        name, lacking = conflict.name, self._without_wheel(conflict)
        names = [each for each in self._outcome.involved if each != name]
        if lacking:
            sources = [self._releases.sources[target] for target in lacking]
            files = sorted({each for source in sources for each in source.unfitting(name)})
            what = NO_WHEEL if files else "no wheel"
            place = f" for {target_names(lacking)}" if any(lacking) else ""
            summary = f"{conflict.wording}, and `{name}` has {what}{place}"
            found = [listed(files, _MAX_FILES) or "nothing", *self._tried(conflict, names)]
        else:
            is_proven = self._outcome.is_proven
            why = "meets all requirements" if is_proven else "was found before the search gave up"
            summary = f"no version of `{name}` {why}: {conflict.wording}"
            found = list(self._tried(conflict, [name, *names]))
        texts = [each.requirement.text for each in conflict.incoming]
        expected = dict.fromkeys(text if "`" in text else f"`{text}`" for text in texts)
        return Finding(
            code="requirement-unmet" if lacking else "no-solution",
            subject=conflict.subject,
            summary=summary,
            expected=", ".join(expected),
            found="; ".join(found) or None,
            where=self._where(),
            hint=self._hint(conflict, lacking or self._unserved(conflict)),
        )

    def _misfit(self, conflict: _Conflict) -> Finding:
        name = conflict.name
        versions = self._releases.newest_first(name)
        if len(versions) > 1:
            self.compared.add(conflict.subject)
        texts = []
        for version in versions:
            reason = self._plugins.misfit(name, version) or self._note(conflict, name, version)
            texts.append(f"{version}: {reason or 'not available for every target'}")
        plugins = " and ".join(f"`{each}`" for each in conflict.incoming[0].source.plugins)
        return Finding(
            code="no-solution",
            subject=conflict.subject,
            summary=f"no compatible version of `{name}` offers {plugins}",
            found=listed(texts, _MAX_VERSIONS, "; "),
            where=self._where(),
            hint=f"add a compatible version of `{name}`, or {self._switch_off()}",
        )

    def _tried(self, conflict: _Conflict, names: Sequence[str]) -> Iterator[str]:
        """Yield the versions of some distributions, and why one can't be in any solution."""
        for name in [name for name in names if self._releases.versions(name)][:_MAX_NAMES]:
            versions = []
            for version in self._releases.newest_first(name):
                note = self._note(conflict, name, version)
                versions.append(f"{version} ({note})" if note else version)
            yield f"{name} {listed(versions, _MAX_VERSIONS)}"

    def _note(self, conflict: _Conflict, name: str, version: str) -> str | None:
        """Return why a version can't be in any solution, unless a chain says so already."""
        misfit = misfit_of(self._releases, self._outcome.propagation, name, version)
        if misfit is not None:
            return misfit
        said = {
            each.requirement.text
            for each in chain.from_iterable(conflict.chains)
            if (each.source.name, each.source.version) == (name, version)
        }
        for node in self._outcome.propagation.nodes.get(name, ()):
            for each in self._problem.requirements(node, version):
                candidates = self._releases.candidates(each.name, (each,), each.nodes())
                if each.text not in said and next(candidates, None) is None:
                    return f"requires `{each.text}`"
        return None

    def _unserved(self, conflict: _Conflict) -> list[str]:
        """Return the targets that no version fits which meets the requirements."""
        versions = conflict.meeting(self._releases.versions(conflict.name))
        return [
            target
            for target in conflict.targets
            if not any(self._releases.can_have(conflict.name, each, target) for each in versions)
        ]

    def _hint(self, conflict: _Conflict, unserved: Sequence[str]) -> str:
        """Return what would help, each by itself, in words: `do this, or do that`."""
        ways = [
            *self._wheel_to_add(conflict, unserved),
            *self._relaxations(conflict),
            self._switch_off(),
        ]
        return ", or ".join(filter(None, ways)) or "change what is required, or add wheels"

    def _wheel_to_add(self, conflict: _Conflict, unserved: Sequence[str]) -> Iterator[str]:
        """Yield which wheel would help: a newer one than any, or one that fits more targets."""
        required = [each.requirement for each in conflict.incoming]
        versions = self._releases.versions(conflict.name)
        specifier = _specifiers(required)
        lacking = _specifiers([each for each in required if not each.allowed])
        if versions and lacking:
            specifier, unserved = lacking, ()
        elif versions and not (unserved and conflict.meeting(versions)):
            return
        place = target_names(unserved)
        meets = f"meets `{specifier}`" if specifier else ""
        properties = " and ".join(filter(None, (meets, f"fits {place}" if place else "")))
        yield f"add a wheel of `{conflict.name}`" + (f" that {properties}" if properties else "")

    def _relaxations(self, conflict: _Conflict) -> Iterator[str]:
        """Yield the requirements without which there is a solution."""
        number = len(self._releases.versions(conflict.name))
        for requirement, source in conflict.incoming[:_MAX_TRIED]:
            is_narrow = 0 < len(requirement.allowed) < number
            if not source.name or not is_narrow:
                continue
            if solve(self._without(source.name, requirement)).is_solved:
                yield f"have `{source.name}` relax `{requirement.text}`"

    def _without(self, name: str, ignored: Requirement) -> Problem:
        """Return the problem in which no version of a distribution has a requirement."""

        def requirements(node: Node, version: str) -> tuple[Requirement, ...]:
            required = self._problem.requirements(node, version)
            return tuple(each for each in required if (node[0], each.text) != (name, ignored.text))

        return replace(self._problem, requirements=requirements)

    def _switch_off(self) -> str:
        """Return which plugins could be switched off; each helps, as none can be left out."""
        ids = [" and ".join(f"`{each}`" for each in plugins) for plugins in self._wanted]
        return f"switch {' or '.join(ids)} off" if ids else ""

    def _where(self) -> str | None:
        """Return where the descriptor requests one of the plugins."""
        if any(root.source.is_program for root in self._problem.roots):
            return self._descriptor.origins.get("program.requires")
        for identifier in chain.from_iterable(self._wanted):
            request = self._descriptor.request(*split_plugin_id(identifier))
            if request is not None and request.enabled:
                return request.where
        return None


def _specifiers(requirements: Sequence[Requirement]) -> str:
    """Return what a version has to meet, as one specifier."""
    parts = [part for each in requirements for part in each.specifier.split(",") if part]
    return ",".join(dict.fromkeys(parts))


def listed(texts: Sequence[str], most: int, separator: str = ", ") -> str:
    """Return some texts, and how many more there are."""
    more = len(texts) - most
    return separator.join(texts[:most]) + (f" and {more} more" if more > 0 else "")


def misfit_of(releases: Releases, propagation: Propagation, name: str, version: str) -> str | None:
    """Return why a version can't be installed where it is needed."""
    targets = sorted({node[2] for node in propagation.nodes.get(name, ())}) or releases.targets
    return releases.misfit(name, version, targets)
