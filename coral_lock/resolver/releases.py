"""The releases of all targets together, and the requirements that select among them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from coral_lock.inventory import BrokenDistribution, FoundDistribution, ReleaseSource

Node = tuple[str, str, str]
"""A distribution that is needed: its name, an extra or an empty string, a target."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirement:
    """A requirement on a distribution.

    Every kind of it (a `Requires-Dist`, a plugin that is requested, one that another
    requires or excludes, the least version of a host) comes to the versions that meet it.

    Args:
        name: the normalized name of the distribution.
        target: the target that needs it; None where it isn't needed, but has one of the
            allowed versions if it is there.
        extras: the extras that are required with it.
        allowed: the versions that meet it, pre-releases included.
        takes_prereleases: whether it names a pre-release, so that they count like others.
        text: how it reads in a message: `numpy>=2`.
        specifier: the versions that it asks for: `>=2`; empty for any.
        relation: the other plugin that it is about, None where it isn't about one.
    """

    name: str
    target: str | None
    extras: tuple[str, ...] = ()
    allowed: frozenset[str]
    takes_prereleases: bool = False
    text: str
    specifier: str = ""
    relation: str | None = None

    def nodes(self) -> tuple[Node, ...]:
        """Return what it makes needed: the distribution itself, and with each extra."""
        if self.target is None:
            return ()
        return tuple((self.name, extra, self.target) for extra in ("", *self.extras))

    def phrase(self) -> str:
        """Return what it says of the distribution that has it: `requires numpy>=2`."""
        if self.relation is None:
            return f"requires `{self.text}`"
        return f"{'excludes' if self.target is None else 'requires'} `{self.relation}`"


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


def specifiers(requirements: Sequence[Requirement]) -> str:
    """Return what a version has to meet, as one specifier."""
    parts = [part for each in requirements for part in each.specifier.split(",") if part]
    return ",".join(dict.fromkeys(parts))


NO_WHEEL = "no compatible wheel"


class _Misfit(NamedTuple):
    """Why a version can't be installed; `python` is the `Requires-Python` that isn't met."""

    text: str
    python: str | None = None


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
        self._spellings: dict[tuple[str, str], dict[str, str]] = {}
        self._versions: dict[str, tuple[str, ...]] = {}
        self._parsed: dict[str, Version | None] = {}
        self._broken: dict[tuple[str, str], BrokenDistribution | None] = {}
        self._misfits: dict[tuple[str, str, str], _Misfit | None] = {}

    def names(self) -> tuple[str, ...]:
        """Return the distributions that have any wheel, sorted."""
        return tuple(sorted({name for source in self.sources.values() for name in source.names()}))

    def versions(self, name: str) -> tuple[str, ...]:
        """Return the versions that fit any target: the kept one, then the newest first.

        A version that targets spell differently, like 1.0 and 1.0.0, appears once.
        """
        if name not in self._versions:
            releases = {target: source.releases(name) for target, source in self.sources.items()}
            common: dict[Version | str, str] = {}
            for text in sorted({each for several in releases.values() for each in several}):
                common.setdefault(self.parsed(text) or text, text)
            for target, several in releases.items():
                spellings = self._spellings[name, target] = {}
                for text in several:
                    spellings[common[self.parsed(text) or text]] = text
            newest_first = sorted(common.values(), key=self.order, reverse=True)
            newest_first.sort(key=lambda version: not self.is_kept(name, version))
            self._versions[name] = tuple(newest_first)
        return self._versions[name]

    def newest_first(self, name: str) -> tuple[str, ...]:
        """Return the versions that fit any target, whichever is kept."""
        return tuple(sorted(self.versions(name), key=self.order, reverse=True))

    def order(self, text: str) -> tuple[object, ...]:
        """Return the sort key of a version: PEP 440's order, after all that isn't a version."""
        version = self.parsed(text)
        return (version is not None, version or 0, text)

    def is_kept(self, name: str, version: str) -> bool:
        """Whether a version is the one to prefer, however it is spelled."""
        kept = self.kept.get(name)
        if kept is None or kept == version:
            return kept is not None
        parsed = self.parsed(kept)
        return parsed is not None and parsed == self.parsed(version)

    def at(self, name: str, target: str) -> Collection[str]:
        """Return the versions that have a wheel for a target."""
        self.versions(name)
        return self._spellings[name, target].keys()

    def parsed(self, text: str) -> Version | None:
        """Return a version, None if it isn't one (PEP 440)."""
        if text not in self._parsed:
            try:
                self._parsed[text] = Version(text)
            except InvalidVersion:
                self._parsed[text] = None
        return self._parsed[text]

    def distribution(self, name: str, version: str, target: str) -> FoundDistribution | None:
        """Return the metadata of a version's wheel, None if none fits the target."""
        if version not in self.at(name, target):
            return None
        return self.sources[target].distribution(name, self._spellings[name, target][version])

    def broken(self, name: str, version: str) -> BrokenDistribution | None:
        """Return what is broken about a version, for the first target that has such a wheel."""
        key = (name, version)
        if key not in self._broken:
            found = (self.distribution(name, version, target) for target in self.targets)
            self._broken[key] = next(
                (each for each in found if isinstance(each, BrokenDistribution)), None
            )
        return self._broken[key]

    def is_prerelease(self, version: str) -> bool:
        """Whether a version is a pre-release (PEP 440)."""
        parsed = self.parsed(version)
        return parsed is not None and parsed.is_prerelease

    def can_have(self, name: str, version: str, target: str) -> bool:
        """Whether a version can be installed on a target."""
        key = (name, version, target)
        if key not in self._misfits:
            self._misfits[key] = self._find_misfit(*key)
        return self._misfits[key] is None

    def targets_of(self, name: str, version: str) -> tuple[str, ...]:
        """Return the targets on which a version can be installed."""
        return tuple(target for target in self.targets if self.can_have(name, version, target))

    def misfit(self, name: str, version: str, targets: Sequence[str]) -> str | None:
        """Return why a version can't be installed on some targets, None if it can on all."""
        found: dict[_Misfit, list[str]] = {}
        for target in targets:
            if not self.can_have(name, version, target):
                misfit = self._misfits[name, version, target]
                assert misfit is not None
                found.setdefault(misfit, []).append(target)
        return ", ".join(self._worded(*each) for each in found.items()) or None

    def _worded(self, misfit: _Misfit, targets: list[str]) -> str:
        if misfit.python is None:
            return f"{misfit.text} for {target_names(targets)}" if any(targets) else misfit.text
        if targets == [""]:
            return f"{misfit.text}, found {self.environments['']['python_full_version']}"
        pythons = [f"target `{target}` has Python {self._python_of(target)}" for target in targets]
        return f"{misfit.text}, and {' and '.join(pythons)}"

    def _python_of(self, target: str) -> str:
        """Return the Python of a target, without the patch release if it may not name one."""
        environment = self.environments[target]
        full, short = environment["python_full_version"], environment["python_version"]
        return short if full == f"{short}.0" else full

    def _find_misfit(self, name: str, version: str, target: str) -> _Misfit | None:
        distribution = self.distribution(name, version, target)
        if distribution is None:
            return _Misfit(NO_WHEEL)
        if isinstance(distribution, BrokenDistribution) or distribution.requires_python is None:
            return None
        required = distribution.requires_python
        python = self.environments[target]["python_full_version"]
        try:
            if SpecifierSet(required).contains(python, prereleases=True):
                return None
        except (InvalidSpecifier, ValueError):
            return _Misfit(f"invalid `Requires-Python`: {required[:80]!r}")
        return _Misfit(f"requires Python {required[:80]}", required)

    def candidates(
        self, name: str, requirements: Sequence[Requirement] = (), nodes: Collection[Node] = ()
    ) -> Iterator[str]:
        """Yield the versions that can be taken, the best first.

        A pre-release counts only where a requirement names one, where it is kept, or where
        no final release meets the requirements (PEP 440). One whose wheel is broken counts
        only where there is no other.

        Args:
            name: the distribution.
            requirements: the requirements on it.
            nodes: how it is needed.
        """
        takes_prereleases = any(each.takes_prereleases for each in requirements)
        targets = sorted({node[2] for node in nodes})
        has_final = has_sound = False
        early: list[str] = []
        broken: list[str] = []
        for version in self.versions(name):
            if not all(version in each.allowed for each in requirements):
                continue
            if not all(self.can_have(name, version, target) for target in targets):
                continue
            if self.broken(name, version):
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
