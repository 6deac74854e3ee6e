"""A demand: what a chosen version, or the descriptor, wants of another distribution."""

from __future__ import annotations

from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Demand(Record):
    """What is demanded of a distribution.

    Every kind of demand (a `Requires-Dist`, a plugin that is asked for, one that another
    requires or excludes, the least version of a host) comes to the versions that meet it.

    Args:
        name: the normalized name of the distribution.
        target: the target that needs it; None where it needn't be there at all, but has
            one of the allowed versions if it is.
        extras: the extras that are required with it.
        allowed: the versions that meet the demand, pre-releases and yanked ones included.
        takes_prereleases: whether it names a pre-release, so that they count like others.
        is_pin: whether it names one version with `==` or `===`, be it yanked or not.
        text: how it reads in a message: `numpy>=2`.
        specifier: the versions that a requirement asks for: `>=2`; empty for any.
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

    def phrase(self) -> str:
        """Return what the demand says of whoever makes it: `requires numpy>=2`."""
        if self.relation is None:
            return f"requires `{self.text}`"
        return f"{'excludes' if self.target is None else 'requires'} `{self.relation}`"


class Source(Record):
    """Who makes a demand: a version of a distribution, or the descriptor for some plugins.

    Args:
        name: the distribution, None for the descriptor.
        version: its version, None for the descriptor.
        extra: the extra with which it makes the demand, or an empty string.
        target: the target for which it makes the demand.
        plugins: the ids of the plugins that the descriptor wants of the demanded one.
        is_program: whether it is the program itself, by the descriptor.
    """

    name: str | None = None
    version: str | None = None
    extra: str = ""
    target: str = ""
    plugins: tuple[str, ...] = ()
    is_program: bool = False


class Incoming(Record):
    """A demand and who makes it."""

    demand: Demand
    source: Source


Node = tuple[str, str, str]
"""A distribution that is needed: its name, an extra or an empty string, a target."""


def nodes_of(demand: Demand) -> tuple[Node, ...]:
    """Return what a demand makes needed: the distribution itself, and with each extra."""
    if demand.target is None:
        return ()
    return tuple((demand.name, extra, demand.target) for extra in ("", *demand.extras))


def needed_nodes(incoming: Iterable[Incoming]) -> tuple[Node, ...]:
    """Return what several demands make needed, each once, sorted."""
    return tuple(sorted({node for each in incoming for node in nodes_of(each.demand)}))
