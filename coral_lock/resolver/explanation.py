"""Why a problem has no solution, as findings with what would help."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain

from coral_lock.finding import Finding
from coral_lock.names import split_plugin_id
from coral_lock.resolver.inputs import Inputs
from coral_lock.resolver.planning import Plan
from coral_lock.resolver.propagation import Problem, Propagation, propagate
from coral_lock.resolver.releases import (
    NO_WHEEL,
    RequirementInformation,
    needed_nodes,
    specifiers,
    target_names,
)
from coral_lock.resolver.solver import Outcome, SearchGivenUp, search, solve

_MAX_CAUSES = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Conflict:
    """A distribution of which no version meets all requirements.

    Args:
        name: the distribution.
        incoming: the fewest requirements that can't be met together.
        chains: for each of these, how its source is needed: from the descriptor's
            requirement over the versions that require each other, the source last.
        targets: all the targets that need the distribution, sorted.
    """

    name: str
    incoming: tuple[RequirementInformation, ...]
    chains: tuple[tuple[RequirementInformation, ...], ...]
    targets: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """Roots that can't be met together.

    Args:
        problem: the problem with these roots alone.
        outcome: what solving it came to.
        conflicts: where following the best versions leads to.
    """

    problem: Problem
    outcome: Outcome
    conflicts: tuple[Conflict, ...]

    def plugins(self) -> list[tuple[str, ...]]:
        """Return the plugins at the roots: those of each distribution, sorted."""
        return sorted({root.source.plugins for root in self.problem.roots if root.source.plugins})


def causes_of(problem: Problem, outcome: Outcome) -> Iterator[Cause]:
    """Yield the independent causes why a problem has no solution.

    Args:
        problem: the problem.
        outcome: what solving it came to.
    """
    for _ in range(_MAX_CAUSES):
        if outcome.is_solved:
            return
        smallest = _smallest(problem, outcome)
        yield Cause(
            problem=smallest,
            outcome=outcome if smallest is problem else solve(smallest),
            conflicts=tuple(_conflicts(smallest)),
        )
        wanted = {root.requirement.name for root in smallest.roots if root.source.plugins}
        if not wanted:
            return
        problem = problem.with_roots(set(problem.root_names()) - wanted)
        outcome = solve(problem)


def _smallest(problem: Problem, outcome: Outcome) -> Problem:
    """Return the problem with roots of which none can be left out, if that can be proven."""
    if not outcome.is_proven:
        return problem
    smallest = problem.with_roots(outcome.involved)
    for name in smallest.root_names():
        fewer = smallest.with_roots(set(smallest.root_names()) - {name})
        with suppress(SearchGivenUp):
            if search(fewer, outcome.involved) is None:
                smallest = fewer
    return smallest


def _conflicts(problem: Problem) -> Iterator[Conflict]:
    """Yield where the best versions conflict, or would if nothing else were tried."""
    propagation = propagate(problem, is_lenient=True)
    for name in propagation.conflicts or propagation.unstable:
        incoming = _fewest(problem, name, propagation)
        yield Conflict(
            name=name,
            incoming=incoming,
            chains=tuple(_chain(each, propagation) for each in incoming),
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


def _chain(
    incoming: RequirementInformation, propagation: Propagation
) -> tuple[RequirementInformation, ...]:
    """Return how the source of a requirement is needed, the root's requirement first."""
    chain = [incoming]
    seen = {incoming.requirement.name}
    while (name := chain[0].source.name) is not None and name not in seen:
        seen.add(name)
        needing = [
            each for each in propagation.incoming[name] if each.requirement.target is not None
        ]
        needing.sort(key=lambda each: (each.source.name is not None, str(each.source.name)))
        if not needing:
            break
        unseen = [each for each in needing if each.source.name not in seen]
        chain.insert(0, (unseen or needing)[0])
    return tuple(chain)


_MAX_NAMES = 8
_MAX_VERSIONS = 8
_MAX_FILES = 4
_MAX_TRIED = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Explained:
    """The findings, and the plugins of which they compare several versions."""

    findings: tuple[Finding, ...] = ()
    compared: frozenset[str] = frozenset()


def explained(causes: Sequence[Cause], inputs: Inputs, plan: Plan) -> Explained:
    """Return the findings of some causes.

    Where nothing could have been chosen differently there are none: then resolving the only
    versions that there are says everything.
    """
    if not any(_has_alternatives(cause, inputs) for cause in causes):
        return Explained()
    explainer = _Explainer(inputs, plan)
    findings = tuple(finding for cause in causes for finding in explainer.findings(cause))
    return Explained(findings=findings, compared=frozenset(explainer.compared))


def _has_alternatives(cause: Cause, inputs: Inputs) -> bool:
    """Whether anything involved has another version, or one that can't be chosen."""
    releases = inputs.releases
    names = {*cause.problem.root_names(), *cause.outcome.involved}
    for conflict in cause.conflicts:
        names.add(conflict.name)
        names.update(each.requirement.name for each in chain.from_iterable(conflict.chains))
    return any(
        len(releases.versions(name)) > 1
        or any(source.unfitting(name) for source in releases.sources.values())
        or any(
            releases.misfit(name, version, releases.targets) for version in releases.versions(name)
        )
        for name in names
    )


class _Explainer:
    def __init__(self, inputs: Inputs, plan: Plan) -> None:
        self._releases = inputs.releases
        self._descriptor = inputs.descriptor
        self._plugins = plan.plugins
        self.compared: set[str] = set()

    def findings(self, cause: Cause) -> Iterator[Finding]:
        """Yield a finding for each distribution without a wheel, else for the first conflict."""
        missing = [conflict for conflict in cause.conflicts if self._without_wheel(conflict)]
        for conflict in missing or cause.conflicts[:1]:
            if not missing and all(source.plugins for _, source in conflict.incoming):
                yield self._misfit(cause, conflict)
            else:
                yield self._unmet(cause, conflict)

    def _without_wheel(self, conflict: Conflict) -> list[str]:
        return [each for each in conflict.targets if not self._releases.at(conflict.name, each)]

    def _unmet(self, cause: Cause, conflict: Conflict) -> Finding:
        name, lacking = conflict.name, self._without_wheel(conflict)
        names = [each for each in cause.outcome.involved if each != name]
        if lacking:
            sources = [self._releases.sources[target] for target in lacking]
            files = sorted({each for source in sources for each in source.unfitting(name)})
            what = NO_WHEEL if files else "no wheel"
            place = f" for {target_names(lacking)}" if any(lacking) else ""
            summary = f"{_wording(conflict)}, and `{name}` has {what}{place}"
            found = [listed(files, _MAX_FILES) or "nothing", self._tried(cause, conflict, names)]
        else:
            is_proven = cause.outcome.is_proven
            why = "meets all requirements" if is_proven else "was found before the search gave up"
            summary = f"no version of `{name}` {why}: {_wording(conflict)}"
            found = [self._tried(cause, conflict, [name, *names])]
        texts = [each.requirement.text for each in conflict.incoming]
        expected = dict.fromkeys(text if "`" in text else f"`{text}`" for text in texts)
        return Finding(
            code="requirement-unmet" if lacking else "no-solution",
            subject=_subject(conflict),
            summary=summary,
            expected=", ".join(expected),
            found="; ".join(filter(None, found)) or None,
            where=self._where(cause),
            hint=self._hint(cause, conflict, lacking or self._unserved(conflict)),
        )

    def _misfit(self, cause: Cause, conflict: Conflict) -> Finding:
        name = conflict.name
        versions = self._releases.newest_first(name)
        if len(versions) > 1:
            self.compared.add(_subject(conflict))
        reasons = [
            self._plugins.misfit(name, version)
            or self._note(cause, conflict, name, version)
            or "not available for every target"
            for version in versions
        ]
        texts = [f"{version}: {reason}" for version, reason in zip(versions, reasons)]
        plugins = " and ".join(f"`{each}`" for each in conflict.incoming[0].source.plugins)
        return Finding(
            code="no-solution",
            subject=_subject(conflict),
            summary=f"no compatible version of `{name}` offers {plugins}",
            found=listed(texts, _MAX_VERSIONS, "; "),
            where=self._where(cause),
            hint=f"add a compatible version of `{name}`, or {self._switch_off(cause)}",
        )

    def _tried(self, cause: Cause, conflict: Conflict, names: Sequence[str]) -> str:
        """Return the versions of some distributions, and why one can't be in any solution."""
        texts = []
        for name in [name for name in names if self._releases.versions(name)][:_MAX_NAMES]:
            versions = []
            for version in self._releases.newest_first(name):
                note = self._note(cause, conflict, name, version)
                versions.append(f"{version} ({note})" if note else version)
            texts.append(f"{name} {listed(versions, _MAX_VERSIONS)}")
        return "; ".join(texts)

    def _note(self, cause: Cause, conflict: Conflict, name: str, version: str) -> str | None:
        """Return why a version can't be in any solution, unless a chain says so already."""
        nodes = cause.outcome.propagation.nodes.get(name, ())
        targets = sorted({node[2] for node in nodes}) or self._releases.targets
        misfit = self._releases.misfit(name, version, targets)
        if misfit is not None:
            return misfit
        said = {
            each.requirement.phrase()
            for each in chain.from_iterable(conflict.chains)
            if (each.source.name, each.source.version) == (name, version)
        }
        for node in nodes:
            for each in cause.problem.requirements(node, version):
                candidates = self._releases.candidates(each.name, (each,), each.nodes())
                if each.phrase() not in said and next(candidates, None) is None:
                    return each.phrase()
        return None

    def _unserved(self, conflict: Conflict) -> list[str]:
        """Return the targets that no version fits which meets the requirements."""
        versions = _meeting(conflict, self._releases.versions(conflict.name))
        return [
            target
            for target in conflict.targets
            if not any(self._releases.can_have(conflict.name, each, target) for each in versions)
        ]

    def _hint(self, cause: Cause, conflict: Conflict, unserved: Sequence[str]) -> str:
        """Return what would help, each by itself, in words: `do this, or do that`."""
        ways = [
            *self._wheel_to_add(conflict, unserved),
            *self._relaxations(cause, conflict),
            self._switch_off(cause),
        ]
        return ", or ".join(filter(None, ways)) or "change what is required, or add wheels"

    def _wheel_to_add(self, conflict: Conflict, unserved: Sequence[str]) -> Iterator[str]:
        """Yield which wheel would help: a newer one than any, or one that fits more targets."""
        required = [each.requirement for each in conflict.incoming]
        if any(each.relation is not None for each in required):
            return
        versions = self._releases.versions(conflict.name)
        specifier = specifiers(required)
        lacking = specifiers([each for each in required if not each.allowed])
        if versions and lacking:
            specifier, unserved = lacking, ()
        elif versions and not (unserved and _meeting(conflict, versions)):
            return
        place = target_names(unserved)
        meets = f"meets `{specifier}`" if specifier else ""
        properties = " and ".join(filter(None, (meets, f"fits {place}" if place else "")))
        yield f"add a wheel of `{conflict.name}`" + (f" that {properties}" if properties else "")

    def _relaxations(self, cause: Cause, conflict: Conflict) -> Iterator[str]:
        """Yield the requirements without which there is a solution."""
        for requirement, source in conflict.incoming[:_MAX_TRIED]:
            number = len(self._releases.versions(conflict.name))
            is_narrow = 0 < len(requirement.allowed) < number and requirement.relation is None
            key = (source.name or "", requirement.text)
            if source.name and is_narrow and solve(replace(cause.problem, ignored={key})).is_solved:
                yield f"have `{source.name}` relax `{requirement.text}`"

    def _switch_off(self, cause: Cause) -> str:
        """Return which plugins could be switched off; each helps, as none can be left out."""
        ids = [" and ".join(f"`{each}`" for each in plugins) for plugins in cause.plugins()]
        return f"switch {' or '.join(ids)} off" if ids else ""

    def _where(self, cause: Cause) -> str | None:
        """Return where the descriptor requests one of the plugins."""
        if any(root.source.is_program for root in cause.problem.roots):
            return self._descriptor.origins.get("program.requires")
        for identifier in chain.from_iterable(cause.plugins()):
            request = self._descriptor.request(*split_plugin_id(identifier))
            if request is not None and request.enabled:
                return request.where
        return None


def _meeting(conflict: Conflict, versions: Sequence[str]) -> list[str]:
    return [
        version
        for version in versions
        if all(version in each.requirement.allowed for each in conflict.incoming)
    ]


def _subject(conflict: Conflict) -> str:
    """Return the first plugin at the root of a conflict, or else the distribution."""
    plugins = sorted(plugin for each in conflict.chains for plugin in each[0].source.plugins)
    return plugins[0] if plugins else conflict.name


def _wording(conflict: Conflict) -> str:
    return "; ".join(dict.fromkeys(_chain_text(each) for each in conflict.chains))


def _chain_text(links: tuple[RequirementInformation, ...]) -> str:
    """Return how a requirement comes about: `patches:a` (acme-a 2.0) → b 1.0 requires `c<2`."""
    root, last = links[0], links[-1]
    wanted = ", ".join(f"`{plugin}`" for plugin in root.source.plugins)
    if root.source.is_program:
        wanted = "the program"
    if len(links) == 1:
        if root.source.is_program:
            return f"{wanted} {root.requirement.phrase()}"
        return f"{wanted} is wanted" if wanted else f"the host is `{root.requirement.text}`"
    first, *others = [f"{source.name} {source.version}" for _, source in links[1:]]
    way = [f"{wanted} ({first})" if wanted else first, *others]
    return f"{' → '.join(way)} {last.requirement.phrase()}"


def listed(texts: Sequence[str], most: int, separator: str = ", ") -> str:
    """Return some texts, and how many more there are."""
    more = len(texts) - most
    return separator.join(texts[:most]) + (f" and {more} more" if more > 0 else "")
