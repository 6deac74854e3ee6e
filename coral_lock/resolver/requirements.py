"""A requirement on a distribution, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Node = tuple[str, str, str]
"""A distribution that is needed: its name, an extra or an empty string, a target."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirement:
    """A requirement on a distribution.

    Every kind of it (a `Requires-Dist`, a plugin that is asked for, one that another
    requires or excludes, the least version of a host) comes to the versions that meet it.

    Args:
        name: the normalized name of the distribution.
        target: the target that needs it; None where it isn't needed, but has one of the
            allowed versions if it is there.
        extras: the extras that are required with it.
        allowed: the versions that meet it, pre-releases and yanked ones included.
        takes_prereleases: whether it names a pre-release, so that they count like others.
        is_pin: whether it names one version with `==` or `===`, which may be yanked.
        text: how it reads in a message: `numpy>=2`.
        specifier: the versions that it asks for: `>=2`; empty for any.
        relation: the other plugin that it is about, None where it isn't about one.
    """

    name: str
    target: str | None
    extras: tuple[str, ...] = ()
    allowed: frozenset[str]
    takes_prereleases: bool = False
    is_pin: bool = False
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
