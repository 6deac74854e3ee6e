"""From the causes why there is no solution to findings that can be acted on."""

from __future__ import annotations

from coral_lock.choose.releases import NO_WHEEL, target_names
from coral_lock.choose.ways_out import additions, missing_addition, ways_out
from coral_lock.finding import ERROR, Finding
from coral_lock.names import split_plugin_id
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from coral_lock.choose.causes import Cause, Clash
    from coral_lock.choose.demand import Incoming
    from coral_lock.choose.releases import Releases
    from coral_lock.choose.wants import Wants
    from coral_lock.descriptor.model import Descriptor

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
