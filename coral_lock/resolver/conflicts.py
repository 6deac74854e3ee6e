"""Why there is no solution, the nearest ways out of it, and both as findings."""

from __future__ import annotations

from coral_lock.finding import ERROR, Finding
from coral_lock.names import split_plugin_id
from coral_lock.record import Record
from coral_lock.resolver.candidates import NO_WHEEL, target_names
from coral_lock.resolver.requirements import Incoming, needed_nodes
from coral_lock.resolver.solver import SearchGivenUp, choose_among, settle, solve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from coral_lock.descriptor.model import Descriptor
    from coral_lock.resolver.candidates import Releases
    from coral_lock.resolver.plugin_requirements import Wants
    from coral_lock.resolver.requirements import Demand, Problem
    from coral_lock.resolver.solver import Outcome, Settled


_MAX_CAUSES = 10


class Clash(Record):
    """A distribution of which no version meets what is demanded of it.

    Args:
        name: the distribution.
        demands: the fewest demands that can't be met together, and who makes them.
        chains: for each of the demands, how its source is needed: from the descriptor's
            want over the versions that demand each other, the source last.
        targets: all the targets that need the distribution, sorted.
    """

    name: str
    demands: tuple[Incoming, ...]
    chains: tuple[tuple[Incoming, ...], ...]
    targets: tuple[str, ...]


class Cause(Record):
    """Wants that can't be met together.

    Args:
        roots: the distributions that the descriptor wants, or that are hosts, sorted.
        problem: the problem with these wants alone.
        outcome: what solving it came to.
        clashes: where following the best versions leads to.
    """

    roots: tuple[str, ...]
    problem: Problem
    outcome: Outcome
    clashes: tuple[Clash, ...]


def causes_of(problem: Problem, outcome: Outcome) -> Iterator[Cause]:
    """Yield the independent causes why a problem has no solution.

    Args:
        problem: the problem.
        outcome: what solving it came to.
    """
    for _ in range(_MAX_CAUSES):
        if outcome.is_solved:
            return
        cause = _smallest(problem, outcome)
        yield cause
        wanted = {root.demand.name for root in cause.problem.roots if root.source.plugins}
        if not wanted:
            return
        problem = _without(problem, wanted)
        outcome = solve(problem)


def _smallest(problem: Problem, outcome: Outcome) -> Cause:
    """Return a cause from which no root can be left out."""
    smallest = _only(problem, set(outcome.involved))
    for name in _root_names(smallest):
        fewer = _without(smallest, (name,))
        if _is_impossible(fewer, outcome.involved):
            smallest = fewer
    attempt = solve(smallest)
    if attempt.is_solved:
        smallest, attempt = problem, outcome
    for name in _root_names(smallest):
        fewer = _without(smallest, (name,))
        without = solve(fewer)
        if not without.is_solved:
            smallest, attempt = fewer, without
    return Cause(
        roots=tuple(_root_names(smallest)),
        problem=smallest,
        outcome=attempt,
        clashes=tuple(_clashes(smallest)),
    )


def _is_impossible(problem: Problem, names: tuple[str, ...]) -> bool:
    """Whether some distributions alone prove that there is no solution."""
    try:
        return choose_among(problem, names, ()) is None
    except SearchGivenUp:
        return False


def _root_names(problem: Problem) -> list[str]:
    return sorted({root.demand.name for root in problem.roots})


def _only(problem: Problem, names: set[str]) -> Problem:
    return problem.replace(roots=tuple(root for root in problem.roots if root.demand.name in names))


def _without(problem: Problem, names: Iterable[str]) -> Problem:
    left_out = set(names)
    return problem.replace(
        roots=tuple(root for root in problem.roots if root.demand.name not in left_out)
    )


def _clashes(problem: Problem) -> Iterator[Clash]:
    """Yield where the best versions clash, or would if nothing else were tried."""
    settled = settle(problem, is_lenient=True)
    for name in settled.conflicts or settled.restless:
        demands = _fewest(problem, name, settled)
        yield Clash(
            name=name,
            demands=demands,
            chains=tuple(_chain(each, settled) for each in demands),
            targets=tuple(sorted({node[2] for node in settled.nodes.get(name, ())})),
        )


def _fewest(problem: Problem, name: str, settled: Settled) -> tuple[Incoming, ...]:
    """Return the demands on a distribution of which none can be left out."""
    demands = list(dict.fromkeys(settled.incoming[name]))
    for each in list(demands):
        fewer = [other for other in demands if other is not each]
        if fewer and not _is_met(problem, name, fewer):
            demands = fewer
    return tuple(demands)


def _is_met(problem: Problem, name: str, incoming: list[Incoming]) -> bool:
    demands = [each.demand for each in incoming]
    return next(problem.candidates(name, demands, needed_nodes(incoming)), None) is not None


def _chain(incoming: Incoming, settled: Settled) -> tuple[Incoming, ...]:
    """Return how the source of a demand is needed, the root's demand first."""
    chain = [incoming]
    seen = {incoming.demand.name}
    while chain[0].source.name is not None and chain[0].source.name not in seen:
        name = chain[0].source.name
        seen.add(name)
        needing = [each for each in settled.incoming[name] if each.demand.target is not None]
        needing.sort(key=lambda each: (each.source.name is not None, str(each.source.name)))
        if not needing:
            break
        unseen = [each for each in needing if each.source.name not in seen]
        chain.insert(0, (unseen or needing)[0])
    return tuple(chain)


_MAX_TRIED = 8


def ways_out(cause: Cause, *known: str) -> str:
    """Return what would help, each of it by itself, in words: `do this, or do that`.

    Args:
        cause: what can't be met.
        known: ways that are known already.
    """
    ways = [*known, *_relaxed(cause), *_admitted(cause), *_switched_off(cause)]
    return ", or ".join(dict.fromkeys(ways)) or "change what is required, or add wheels"


def missing_addition(clash: Clash, targets: Sequence[str]) -> str:
    """Return which wheel would help where there is none: `add a wheel of x that meets >=9`.

    Args:
        clash: what is demanded.
        targets: those that have no wheel of it.
    """
    demands = [each.demand for each in clash.demands]
    return _wheel_to_add(clash.name, _specifiers(demands), targets)


def additions(clash: Clash, releases: Releases) -> tuple[str, ...]:
    """Return which wheel would help where there are some, nothing if none is known to.

    One does where what is demanded is newer than anything, or where what meets the demands
    doesn't fit a target.
    """
    demands = [each.demand for each in clash.demands]
    if any(demand.relation is not None for demand in demands):
        return ()
    lacking = _specifiers(each for each in demands if not each.allowed)
    if lacking:
        return (_wheel_to_add(clash.name, lacking, ()),)
    fitting = [
        version
        for version in releases.versions(clash.name)
        if all(version in demand.allowed for demand in demands)
        and not releases.is_yanked(clash.name, version)
    ]
    targets = [
        target
        for target in clash.targets
        if fitting
        and not any(releases.can_have(clash.name, version, target) for version in fitting)
    ]
    return (_wheel_to_add(clash.name, _specifiers(demands), targets),) if targets else ()


def _specifiers(demands: Iterable[Demand]) -> str:
    """Return what a version has to meet, as one specifier."""
    parts = [part for each in demands for part in each.specifier.split(",") if part]
    return ",".join(dict.fromkeys(parts))


def _wheel_to_add(name: str, specifier: str, targets: Sequence[str]) -> str:
    place = target_names(targets)
    meets = f"meets `{specifier}`" if specifier else ""
    fits = f"fits {place}" if place else ""
    properties = " and ".join(filter(None, (meets, fits)))
    return f"add a wheel of `{name}`" + (f" that {properties}" if properties else "")


def _relaxed(cause: Cause) -> Iterator[str]:
    """Yield the demands without which there is a solution."""
    releases = cause.problem.releases
    demands = [
        each
        for clash in cause.clashes
        for each in clash.demands
        if each.source.name is not None
        and 0 < len(each.demand.allowed) < len(releases.versions(clash.name))
    ]
    for each in demands[:_MAX_TRIED]:
        demand, source = each.demand, each.source
        key = (str(source.name), demand.text)
        relaxed = cause.problem.replace(passed_over=frozenset({key}))
        if demand.relation is None and solve(relaxed).is_solved:
            yield f"have `{source.name}` relax `{demand.text}`"


def _admitted(cause: Cause) -> Iterator[str]:
    """Yield the pre-releases and yanked versions with which there is a solution."""
    releases = cause.problem.releases
    names = {clash.name for clash in cause.clashes} | set(cause.outcome.involved)
    for name in sorted(names)[:_MAX_TRIED]:
        if not any(
            releases.is_prerelease(version) or releases.is_yanked(name, version)
            for version in releases.versions(name)
        ):
            continue
        outcome = solve(cause.problem.replace(admitted=frozenset({name})))
        version = outcome.settled.versions.get(name)
        if outcome.is_solved and version is not None:
            kind = "yanked version" if releases.is_yanked(name, version) else "pre-release"
            yield f"allow the {kind} {version} of `{name}` by requiring `{name}=={version}`"


def _switched_off(cause: Cause) -> Iterator[str]:
    """Yield the wants without which there is a solution; each is one, as none is in vain."""
    wants = {root.source.plugins for root in cause.problem.roots if root.source.plugins}
    if wants:
        texts = (" and ".join(f"`{each}`" for each in plugins) for plugins in sorted(wants))
        yield f"switch {' or '.join(texts)} off"


_MAX_NAMES = 8
_MAX_VERSIONS = 8
_MAX_FILES = 4


class Explained(Record):
    """The findings, and the subjects of which they weigh several versions."""

    findings: tuple[Finding, ...] = ()
    weighed: frozenset[str] = frozenset()


def explained(
    causes: Sequence[Cause], wants: Wants, releases: Releases, descriptor: Descriptor
) -> Explained:
    """Return the findings of some causes.

    Where nothing could have been chosen differently there are none: then what resolving
    tells of the only versions that there are is all there is to say.
    """
    if all(_is_without_choice(cause, releases) for cause in causes):
        return Explained()
    explainer = _Explainer(wants, releases, descriptor)
    findings = tuple(finding for cause in causes for finding in explainer.findings(cause))
    return Explained(findings=findings, weighed=frozenset(explainer.weighed))


def _is_without_choice(cause: Cause, releases: Releases) -> bool:
    names = {*cause.roots, *cause.outcome.involved}
    for clash in cause.clashes:
        names.add(clash.name)
        names.update(each.demand.name for chain in clash.chains for each in chain)
    for name in sorted(names):
        versions = releases.versions(name)
        if len(versions) > 1 or any(source.unfitting(name) for source in releases.sources.values()):
            return False
        for version in versions:
            if releases.is_yanked(name, version) or releases.hindrance(
                name, version, releases.targets
            ):
                return False
    return True


class _Explainer:
    def __init__(self, wants: Wants, releases: Releases, descriptor: Descriptor) -> None:
        self._wants = wants
        self._releases = releases
        self._descriptor = descriptor
        self.weighed: set[str] = set()

    def findings(self, cause: Cause) -> Iterator[Finding]:
        """Yield what is missing, else the first clash."""
        missing = [clash for clash in cause.clashes if self._is_missing(clash)]
        for clash in missing:
            yield self._missing(cause, clash)
        if not missing and cause.clashes:
            clash = cause.clashes[0]
            if all(each.source.plugins for each in clash.demands):
                yield self._misfit(cause, clash)
            else:
                yield self._clash(cause, clash)
        elif not missing:
            yield self._endless(cause)

    def _is_missing(self, clash: Clash) -> bool:
        return any(not self._releases.at(clash.name, target) for target in clash.targets)

    def _missing(self, cause: Cause, clash: Clash) -> Finding:
        targets = [each for each in clash.targets if not self._releases.at(clash.name, each)]
        sources = [self._releases.sources[target] for target in targets]
        files = sorted({name for source in sources for name in source.unfitting(clash.name)})
        place = target_names(targets)
        what = f"{NO_WHEEL} {place}".rstrip() if files else "there is no wheel"
        tried = self._tried(cause, clash, is_missing=True)
        return Finding(
            code="requirement-unmet",
            severity=ERROR,
            subject=_subject(clash),
            summary=f"{self._wording(clash)}, and of `{clash.name}` {what}",
            expected=", ".join(_demanded(clash)),
            found=(_listed(files, _MAX_FILES) or "nothing") + (f"; {tried}" if tried else ""),
            where=self._where(cause),
            hint=ways_out(cause, missing_addition(clash, targets)),
        )

    def _misfit(self, cause: Cause, clash: Clash) -> Finding:
        plugins = clash.demands[0].source.plugins
        ids = " and ".join(f"`{identifier}`" for identifier in plugins)
        versions = self._releases.newest_first(clash.name)
        if len(versions) > 1:
            self.weighed.add(_subject(clash))
        reasons = [
            f"{version}: {self._misfit_of(cause, clash.name, version)}" for version in versions
        ]
        return Finding(
            code="no-solution",
            severity=ERROR,
            subject=_subject(clash),
            summary=f"no version of `{clash.name}` offers {ids} so that it fits",
            found=_listed(reasons, _MAX_VERSIONS, "; "),
            where=self._where(cause),
            hint=ways_out(cause, f"add a version of `{clash.name}` that fits"),
        )

    def _misfit_of(self, cause: Cause, name: str, version: str) -> str:
        return (
            self._wants.misfit(name, version)
            or self._notes(cause, name, version)
            or "isn't for every target"
        )

    def _clash(self, cause: Cause, clash: Clash) -> Finding:
        return Finding(
            code="no-solution",
            severity=ERROR,
            subject=_subject(clash),
            summary=(
                f"no version of `{clash.name}` can be taken: "
                if cause.outcome.is_proven
                else f"no version of `{clash.name}` was found in a search that was given up: "
            )
            + self._wording(clash),
            expected=", ".join(_demanded(clash)),
            found=self._tried(cause, clash) or None,
            where=self._where(cause),
            hint=ways_out(cause, *additions(clash, self._releases)),
        )

    def _endless(self, cause: Cause) -> Finding:
        return Finding(
            code="no-solution",
            severity=ERROR,
            subject=cause.roots[0] if cause.roots else "wheels",
            summary="no versions get along with each other of "
            + _listed([f"`{name}`" for name in cause.outcome.involved], _MAX_NAMES),
            where=self._where(cause),
            hint=ways_out(cause),
        )

    def _wording(self, clash: Clash) -> str:
        return "; ".join(dict.fromkeys(_chain_text(chain) for chain in clash.chains))

    def _tried(self, cause: Cause, clash: Clash, *, is_missing: bool = False) -> str:
        """Return the versions of everything involved, and why one can't be in any solution."""
        involved = [name for name in cause.outcome.involved if name != clash.name]
        first = [] if is_missing else [clash.name]
        names = [name for name in [*first, *involved] if self._releases.versions(name)]
        said = [each for chain in clash.chains for each in chain]
        return "; ".join(self._versions(cause, name, said) for name in names[:_MAX_NAMES])

    def _versions(self, cause: Cause, name: str, said: Sequence[Incoming]) -> str:
        texts = []
        for version in self._releases.newest_first(name):
            notes = self._notes(cause, name, version, said)
            texts.append(f"{version} ({notes})" if notes else version)
        return f"{name} {_listed(texts, _MAX_VERSIONS)}"

    def _notes(
        self, cause: Cause, name: str, version: str, said: Sequence[Incoming] = ()
    ) -> str | None:
        """Return why a version can't be in any solution, unless that is said already."""
        if self._releases.is_yanked(name, version):
            return "yanked"
        nodes = cause.outcome.settled.nodes.get(name, ())
        targets = sorted({node[2] for node in nodes}) or self._releases.targets
        hindrance = self._releases.hindrance(name, version, targets)
        if hindrance is not None:
            return hindrance
        for (node, dead_version), dead in cause.outcome.dead.items():
            if (node[0], dead_version) == (name, version) and not any(
                (each.source.name, each.source.version) == (name, version)
                and each.demand.phrase() == dead.demand.phrase()
                for each in said
            ):
                return dead.demand.phrase()
        return None

    def _where(self, cause: Cause) -> str | None:
        """Return where the descriptor asks for one of the plugins."""
        for root in cause.problem.roots:
            if root.source.is_program:
                return self._descriptor.origins.get("program.requires")
            for identifier in root.source.plugins:
                request = self._descriptor.request(*split_plugin_id(identifier))
                if request is not None and request.enabled:
                    return request.where
        return None


def _subject(clash: Clash) -> str:
    """Return the first plugin at the root of a clash, or else what clashes."""
    plugins = sorted(plugin for chain in clash.chains for plugin in chain[0].source.plugins)
    return plugins[0] if plugins else clash.name


def _demanded(clash: Clash) -> list[str]:
    return list(dict.fromkeys(_shown(each) for each in clash.demands))


def _shown(incoming: Incoming) -> str:
    demand = incoming.demand
    return demand.text if "`" in demand.text else f"`{demand.text}`"


def _chain_text(chain: tuple[Incoming, ...]) -> str:
    """Return how a demand comes about: `patches:a` (acme-a 2.0) → b 1.0 requires `numpy<2`."""
    root = chain[0]
    wanted = ", ".join(f"`{plugin}`" for plugin in root.source.plugins)
    if root.source.is_program:
        if len(chain) == 1:
            return f"the program {root.demand.phrase()}"
        wanted = "the program"
    if len(chain) == 1:
        return f"{wanted} is wanted" if wanted else f"the host is `{root.demand.text}`"
    sources = [f"{each.source.name} {each.source.version}" for each in chain[1:]]
    first = f"{wanted} ({sources[0]})" if wanted else sources[0]
    return f"{' → '.join([first, *sources[1:]])} {chain[-1].demand.phrase()}"


def _listed(texts: Sequence[str], most: int, separator: str = ", ") -> str:
    more = len(texts) - most
    return separator.join(texts[:most]) + (f" and {more} more" if more > 0 else "")
