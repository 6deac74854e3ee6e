"""The releases of all targets together: their order of preference and what hinders them."""

from __future__ import annotations

from typing import NamedTuple

from coral_lock.inventory import BrokenDistribution

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from packaging.version import Version

    from coral_lock.inventory import FoundDistribution, ReleaseSource
    from coral_lock.resolver.requirements import Demand, Node


NO_WHEEL = "no wheel fits"
YANKED = "yanked"
PRE_RELEASE = "a pre-release"


class _Hindrance(NamedTuple):
    """Why a version can't be installed: for its tags, for its Python, or else."""

    text: str
    is_tag: bool = False
    is_python: bool = False


class Releases:
    """What the sources of all targets have, each asked once.

    Args:
        sources: by the name of the target.
        kept: the versions to prefer, by the distribution's name.
    """

    def __init__(self, sources: Mapping[str, ReleaseSource], kept: Mapping[str, str]) -> None:
        self.sources = {target: sources[target] for target in sorted(sources)}
        self.kept = kept
        self.targets = tuple(self.sources)
        self._at: dict[tuple[str, str], frozenset[str]] = {}
        self._spellings: dict[tuple[str, str, str], str] = {}
        self._versions: dict[str, tuple[str, ...]] = {}
        self._yanked: set[tuple[str, str]] = set()
        self._parsed: dict[str, Version | None] = {}
        self._broken: dict[tuple[str, str], BrokenDistribution | None] = {}
        self._hindrances: dict[tuple[str, str, str], _Hindrance | None] = {}
        self._pythons = {
            target: dict(source.marker_environment()) for target, source in self.sources.items()
        }

    def names(self) -> tuple[str, ...]:
        """Return the distributions of which there is any wheel, sorted."""
        return tuple(sorted({name for source in self.sources.values() for name in source.names()}))

    def versions(self, name: str) -> tuple[str, ...]:
        """Return the versions that fit any target: the kept one, then the newest first.

        One version that targets write differently, like 1.0 and 1.0.0, stands once.
        """
        if name not in self._versions:
            by_text: dict[str, Version | str] = {}
            for source in self.sources.values():
                for release in source.releases(name):
                    by_text[release.version] = self.parsed(release.version) or release.version
            common: dict[Version | str, str] = {}
            for text in sorted(by_text):
                common.setdefault(by_text[text], text)
            for target, source in self.sources.items():
                spellings = {common[by_text[each.version]]: each for each in source.releases(name)}
                self._at[name, target] = frozenset(spellings)
                for version, release in spellings.items():
                    self._spellings[name, version, target] = release.version
                    if release.is_yanked:
                        self._yanked.add((name, version))
            self._versions[name] = tuple(
                sorted(
                    common.values(),
                    key=lambda text: (self.is_kept(name, text), *self.order(text)),
                    reverse=True,
                )
            )
        return self._versions[name]

    def newest_first(self, name: str) -> tuple[str, ...]:
        """Return the versions that fit any target, without regard to what is kept."""
        return tuple(sorted(self.versions(name), key=self.order, reverse=True))

    def order(self, text: str) -> tuple[object, ...]:
        """Return what versions are sorted by: PEP 440's order, after all that isn't one."""
        version = self.parsed(text)
        return (version is not None, version or 0, text)

    def is_kept(self, name: str, version: str) -> bool:
        """Whether a version is the one to prefer, in whichever way it is written."""
        kept = self.kept.get(name)
        if kept is None or kept == version:
            return kept is not None
        parsed = self.parsed(kept)
        return parsed is not None and parsed == self.parsed(version)

    def at(self, name: str, target: str) -> frozenset[str]:
        """Return the versions that have a wheel for a target."""
        self.versions(name)
        return self._at[name, target]

    def targets_with(self, name: str) -> tuple[str, ...]:
        """Return the targets for which there is any wheel."""
        return tuple(target for target in self.targets if self.at(name, target))

    def parsed(self, text: str) -> Version | None:
        """Return a version, None if it isn't one (PEP 440)."""
        if text not in self._parsed:
            from packaging.version import InvalidVersion, Version

            try:
                self._parsed[text] = Version(text)
            except InvalidVersion:
                self._parsed[text] = None
        return self._parsed[text]

    def distribution(self, name: str, version: str, target: str) -> FoundDistribution | None:
        """Return what a version's wheel says of itself, None if none fits the target."""
        if version not in self.at(name, target):
            return None
        return self.sources[target].distribution(name, self._spellings[name, version, target])

    def broken(self, name: str, version: str) -> BrokenDistribution | None:
        """Return what is broken about a version, for the first target that has such a wheel."""
        key = (name, version)
        if key not in self._broken:
            found = (self.distribution(name, version, target) for target in self.targets)
            self._broken[key] = next(
                (each for each in found if isinstance(each, BrokenDistribution)), None
            )
        return self._broken[key]

    def is_yanked(self, name: str, version: str) -> bool:
        """Whether a version is marked as one to be avoided (PEP 592)."""
        self.versions(name)
        return (name, version) in self._yanked

    def is_prerelease(self, version: str) -> bool:
        """Whether a version is a pre-release (PEP 440)."""
        parsed = self.parsed(version)
        return parsed is not None and parsed.is_prerelease

    def is_avoided(self, name: str, version: str, chosen: str) -> bool:
        """Whether a version isn't taken as long as there is the chosen one.

        That is so for one that is yanked (PEP 592), and for a pre-release where the chosen
        version is a final one (PEP 440), unless it is the one to keep.
        """
        is_early = self.is_prerelease(version) and not self.is_prerelease(chosen)
        return (is_early or self.is_yanked(name, version)) and not self.is_kept(name, version)

    def can_have(self, name: str, version: str, target: str) -> bool:
        """Whether a version can be installed on a target."""
        key = (name, version, target)
        if key not in self._hindrances:
            self._hindrances[key] = self._find_hindrance(*key)
        return self._hindrances[key] is None

    def hindrance(self, name: str, version: str, targets: Sequence[str]) -> str | None:
        """Return why a version can't be installed on some targets, None if it can on all."""
        found: dict[_Hindrance, list[str]] = {}
        for target in targets:
            if not self.can_have(name, version, target):
                hindrance = self._hindrances[name, version, target]
                assert hindrance is not None
                found.setdefault(hindrance, []).append(target)
        return ", ".join(self._worded(*each) for each in found.items()) or None

    def _worded(self, hindrance: _Hindrance, targets: list[str]) -> str:
        if not hindrance.is_python:
            place = target_names(targets)
            return f"{hindrance.text} {place}" if hindrance.is_tag and place else hindrance.text
        if targets == [""]:
            return f"{hindrance.text}, found {self._pythons['']['python_full_version']}"
        pythons = [f"target `{target}` has Python {self._python_of(target)}" for target in targets]
        return f"{hindrance.text}, and {' and '.join(pythons)}"

    def _python_of(self, target: str) -> str:
        """Return the Python of a target, without the patch release if it may not name one."""
        full = self._pythons[target]["python_full_version"]
        short = self._pythons[target]["python_version"]
        return short if full == f"{short}.0" else full

    def _find_hindrance(self, name: str, version: str, target: str) -> _Hindrance | None:
        distribution = self.distribution(name, version, target)
        if distribution is None:
            return _Hindrance(NO_WHEEL, is_tag=True)
        if isinstance(distribution, BrokenDistribution) or distribution.requires_python is None:
            return None
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        required = distribution.requires_python
        python = self._pythons[target]["python_full_version"]
        try:
            fits = SpecifierSet(required).contains(python, prereleases=True)
        except (InvalidSpecifier, ValueError):
            return _Hindrance(f"its `Requires-Python` isn't a specifier: {required[:80]!r}")
        return None if fits else _Hindrance(f"requires Python {required[:80]}", is_python=True)

    def candidates(
        self,
        name: str,
        demands: Sequence[Demand],
        nodes: Collection[Node],
        dead: Collection[tuple[Node, str]] = (),
    ) -> Iterator[str]:
        """Yield the versions that can be taken, the best first.

        A pre-release counts only where a demand names one, where it is kept, or where no
        final release meets the demands (PEP 440). A yanked version counts only where a
        demand pins it or it is kept (PEP 592). One whose wheel is broken counts only where
        there is no other.

        Args:
            name: the distribution.
            demands: what is demanded of it.
            nodes: how it is needed.
            dead: nodes and versions that they can't have in any solution.
        """
        takes_prereleases = any(demand.takes_prereleases for demand in demands)
        is_pinned = any(demand.is_pin for demand in demands)
        targets = sorted({node[2] for node in nodes})
        has_final = has_sound = False
        early: list[str] = []
        broken: list[str] = []
        for version in self.versions(name):
            if not all(version in demand.allowed for demand in demands):
                continue
            key = (name, version)
            if key in self._yanked and not (is_pinned or self.is_kept(*key)):
                continue
            if not all(self.can_have(name, version, target) for target in targets):
                continue
            if self.broken(name, version):
                broken.append(version)
                continue
            has_sound = True
            is_early = self.is_prerelease(version)
            has_final |= not is_early
            if dead and any((node, version) in dead for node in nodes):
                continue
            if is_early and not (takes_prereleases or self.is_kept(*key)):
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
