"""The releases of all targets together, and the requirements that select among them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from coral_lock.document.formats import is_same_version
from coral_lock.inventory import BrokenDistribution, FoundDistribution, ReleaseSource
from coral_lock.locking.closure import NOT_PEP_508, PROGRAM, AnyRequirement, RequirementsOf
from coral_lock.locking.decision import parsed_version
from coral_lock.names import normalized_name

Node = tuple[str, str, str]
"""A distribution that is needed: its name, an extra or an empty string, a target."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirement:
    """A requirement on a distribution.

    Every kind of it (a `Requires-Dist`, a plugin that is requested, the least version of a
    host) comes to the versions that meet it.

    Args:
        name: the normalized name of the distribution.
        target: the target that needs it; None where it isn't needed, but has one of the
            allowed versions if it is there.
        extras: the extras that are required with it.
        allowed: the versions that meet it, pre-releases included.
        takes_prereleases: whether it names a pre-release, so that they count like others.
        text: how it reads in a message: `numpy>=2`.
        specifier: the versions that it asks for: `>=2`; empty for any.
    """

    name: str
    target: str | None
    extras: tuple[str, ...] = ()
    allowed: frozenset[str]
    takes_prereleases: bool = False
    text: str
    specifier: str = ""

    def nodes(self) -> tuple[Node, ...]:
        """Return what it makes needed: the distribution itself, and with each extra."""
        if self.target is None:
            return ()
        return tuple((self.name, extra, self.target) for extra in ("", *self.extras))


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where a requirement comes from: a version of a distribution, or the descriptor.

    Args:
        name: the distribution, None for the descriptor.
        version: its version, None for the descriptor.
        plugins: the ids of the plugins that the descriptor asks of the required one.
        is_program: whether it is the program itself, by the descriptor.
    """

    name: str | None = None
    version: str | None = None
    plugins: tuple[str, ...] = ()
    is_program: bool = False


class RequirementInformation(NamedTuple):
    """A requirement and where it comes from."""

    requirement: Requirement
    source: Source


def needed_nodes(incoming: Iterable[RequirementInformation]) -> tuple[Node, ...]:
    """Return what several requirements make needed, each once, sorted."""
    return tuple(sorted({node for each in incoming for node in each.requirement.nodes()}))


NO_WHEEL = "no compatible wheel"


class Releases:
    """What the sources of all targets offer; each source is asked once.

    Args:
        sources: by the name of the target.
        kept: the versions to prefer, by the distribution's name.
    """

    def __init__(self, sources: Mapping[str, ReleaseSource], kept: Mapping[str, str]) -> None:
        self.sources = {target: sources[target] for target in sorted(sources)}
        self.kept = kept
        self.targets = tuple(self.sources)
        self.environments = {
            target: dict(source.marker_environment()) for target, source in self.sources.items()
        }
        self.names = sorted({name for source in sources.values() for name in source.names()})
        self._spellings = cache(self._find_spellings)
        self._misfit = cache(self._find_misfit)
        self.versions = cache(self._sorted_versions)
        self.broken = cache(self._find_broken)

    def _find_spellings(self, name: str) -> dict[str, dict[str, str]]:
        """Return by target how it spells each version; 1.0 and 1.0.0 are one."""
        releases = {target: source.releases(name) for target, source in self.sources.items()}
        common: dict[Version | str, str] = {}
        for text in sorted({each for several in releases.values() for each in several}):
            common.setdefault(parsed_version(text) or text, text)
        return {
            target: {common[parsed_version(text) or text]: text for text in several}
            for target, several in releases.items()
        }

    def _sorted_versions(self, name: str) -> tuple[str, ...]:
        """Return the versions that fit any target: the kept one, then the newest first."""
        found = {version for several in self._spellings(name).values() for version in several}
        newest_first = sorted(found, key=self.order, reverse=True)
        return tuple(sorted(newest_first, key=lambda each: not self.is_kept(name, each)))

    def newest_first(self, name: str) -> tuple[str, ...]:
        """Return the versions that fit any target, whichever is kept."""
        return tuple(sorted(self.versions(name), key=self.order, reverse=True))

    def order(self, text: str) -> tuple[object, ...]:
        """Return the sort key of a version: PEP 440's order, after all that isn't a version."""
        version = parsed_version(text)
        return (version is not None, version or 0, text)

    def is_kept(self, name: str, version: str) -> bool:
        """Whether a version is the one to prefer, however it is spelled."""
        return name in self.kept and is_same_version(self.kept[name], version)

    def at(self, name: str, target: str) -> Collection[str]:
        """Return the versions that have a wheel for a target."""
        return self._spellings(name)[target].keys()

    def distribution(self, name: str, version: str, target: str) -> FoundDistribution | None:
        """Return the metadata of a version's wheel, None if none fits the target."""
        spelled = self._spellings(name)[target].get(version)
        return None if spelled is None else self.sources[target].distribution(name, spelled)

    def _find_broken(self, name: str, version: str) -> BrokenDistribution | None:
        """Return what is broken about a version, for the first target that has such a wheel."""
        found = (self.distribution(name, version, target) for target in self.targets)
        return next((each for each in found if isinstance(each, BrokenDistribution)), None)

    def is_prerelease(self, version: str) -> bool:
        """Whether a version is a pre-release (PEP 440)."""
        parsed = parsed_version(version)
        return parsed is not None and parsed.is_prerelease

    def targets_of(self, name: str, version: str) -> tuple[str, ...]:
        """Return the targets on which a version can be installed."""
        return tuple(target for target in self.targets if self.can_have(name, version, target))

    def can_have(self, name: str, version: str, target: str) -> bool:
        """Whether a version can be installed on a target."""
        return self._misfit(name, version, target) is None

    def misfit(self, name: str, version: str, targets: Sequence[str]) -> str | None:
        """Return why a version can't be installed on some targets, None if it can on all."""
        found: dict[str, list[str]] = {}
        for target in targets:
            reason = self._misfit(name, version, target)
            if reason is not None:
                found.setdefault(reason, []).append(target)
        texts = [
            f"{reason} for {target_names(several)}" if any(several) else reason
            for reason, several in found.items()
        ]
        return ", ".join(texts) or None

    def _find_misfit(self, name: str, version: str, target: str) -> str | None:
        distribution = self.distribution(name, version, target)
        if distribution is None:
            return NO_WHEEL
        if isinstance(distribution, BrokenDistribution) or distribution.requires_python is None:
            return None
        required = distribution.requires_python
        python = self.environments[target]["python_full_version"]
        try:
            if SpecifierSet(required).contains(python, prereleases=True):
                return None
        except ValueError:
            return f"invalid `Requires-Python`: {required[:80]!r}"
        return f"requires Python {required[:80]}, found {python.removesuffix('.0')}"

    def candidates(
        self,
        name: str,
        requirements: Sequence[Requirement] = (),
        nodes: Collection[Node] = (),
        *,
        takes_broken: bool = False,
    ) -> Iterator[str]:
        """Yield the versions that can be taken, the best first.

        A pre-release counts only where a requirement names one, where it is kept, or where
        no final release meets the requirements (PEP 440). One whose wheel is broken counts
        only where there is no other.

        Args:
            name: the distribution.
            requirements: the requirements on it.
            nodes: how it is needed.
            takes_broken: whether versions whose wheel is broken count like others.
        """
        takes_prereleases = any(each.takes_prereleases for each in requirements)
        targets = sorted({node[2] for node in nodes})
        has_final = has_sound = False
        early: list[str] = []
        broken: list[str] = []
        for version in self.versions(name):
            is_allowed = all(version in each.allowed for each in requirements)
            if not is_allowed or not all(self.can_have(name, version, each) for each in targets):
                continue
            if self.broken(name, version) and not takes_broken:
                broken.append(version)
                continue
            has_sound = True
            is_early = self.is_prerelease(version)
            has_final |= not is_early
            if is_early and not (takes_prereleases or self.is_kept(name, version)):
                early.append(version)
            else:
                yield version
        if not has_final:
            yield from early
        if not has_sound:
            yield from broken[:1]


def target_names(targets: Sequence[str]) -> str:
    """Return targets in words, `the targets one and two`; nothing where none is named."""
    if not any(targets):
        return ""
    names = [f"`{target}`" for target in targets]
    return f"the target{'s' if len(names) > 1 else ''} {' and '.join(names)}"


_MAX_SHOWN = 200


class DeclaredRequirements:
    """The `Requires-Dist` of every version, evaluated once for each extra and target.

    Args:
        releases: the versions to choose from.
        provided: by target the versions of distributions that count as present there
            without a wheel.
        program: what the program itself requires (PEP 508).
    """

    def __init__(
        self,
        releases: Releases,
        provided: Mapping[str, Mapping[str, str]],
        program: tuple[str, ...],
    ) -> None:
        self._releases = releases
        self._provided = provided
        self._program = program
        self._declared = cache(self._find_declared)
        self._allowed = cache(self._find_allowed)
        self.of = cache(self._evaluated)

    def of_program(self) -> Iterator[RequirementInformation]:
        """Yield what the program itself requires on each target."""
        for target in self._releases.targets:
            for requirement in self.of(PROGRAM, "", "", target):
                yield RequirementInformation(requirement, Source(is_program=True))

    def _find_declared(self, name: str, version: str, target: str) -> RequirementsOf | None:
        environment = self._releases.environments[target]
        if name == PROGRAM:
            return RequirementsOf(PROGRAM, self._program, lambda: environment)
        distribution = self._releases.distribution(name, version, target)
        if distribution is None or isinstance(distribution, BrokenDistribution):
            return None
        return RequirementsOf(name, distribution.requires, lambda: environment)

    def _evaluated(
        self, name: str, version: str, extra: str, target: str
    ) -> tuple[Requirement, ...]:
        """Return what a version requires with an extra, or without one, on a target."""
        declared = self._declared(name, version, target)
        if declared is None:
            return ()
        malformed = (
            Requirement(
                name=name,
                target=target,
                allowed=frozenset(),
                text=f"{text[:_MAX_SHOWN]} ({NOT_PEP_508})",
            )
            for text in (() if extra else declared.malformed)
        )
        required = (self._requirement(each, target) for each in declared.of(extra))
        return (*malformed, *filter(None, required))

    def _requirement(self, declared: AnyRequirement, target: str) -> Requirement | None:
        """Return a requirement, None where what counts as present meets it."""
        name = normalized_name(declared.name)
        provided = None
        if not self._releases.at(name, target):
            provided = self._provided[target].get(name)
        if provided is not None and _contains(declared.specifier, provided):
            return None
        extras = f"[{','.join(sorted(declared.extras))}]" if declared.extras else ""
        url = f" @ {declared.url}" if declared.url else ""
        return Requirement(
            name=name,
            target=target,
            extras=tuple(sorted(declared.extras)),
            allowed=frozenset() if provided else self._allowed(name, declared.specifier),
            takes_prereleases=bool(declared.specifier.prereleases),
            text=f"{declared.name}{extras}{declared.specifier}{url}"[:_MAX_SHOWN],
            specifier=str(declared.specifier)[:_MAX_SHOWN],
        )

    def _find_allowed(self, name: str, specifier: SpecifierSet) -> frozenset[str]:
        return frozenset(
            version
            for version in self._releases.versions(name)
            if _contains(specifier, parsed_version(version) or version)
        )


def _contains(specifier: SpecifierSet, version: Version | str) -> bool:
    """Whether a version meets a specifier, pre-releases included; an invalid one doesn't."""
    try:
        return specifier.contains(version, prereleases=True)
    except ValueError:
        return False
