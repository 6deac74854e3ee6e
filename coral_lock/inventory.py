"""What there is to choose from. Sources of distributions meet this protocol."""

from __future__ import annotations

from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol, TypeAlias

    from coral_lock.errors import BrokenDistributionError


class EntryPoint(Record):
    """A line of `entry_points.txt`: its group's short name, its name, and `module:attribute`."""

    group: str
    name: str
    value: str


class Distribution(Record):
    """A distribution whose metadata is sound.

    Args:
        name: the normalized name.
        version: as its METADATA states it.
        requires: the `Requires-Dist` values of its METADATA, sorted.
        entry_points: those of the plugin groups, sorted.
        location: where it is, for messages; it never enters a lock.
        editable: whether it is an editable install.
    """

    name: str
    version: str
    requires: tuple[str, ...]
    entry_points: tuple[EntryPoint, ...]
    location: str
    editable: bool = False


class BrokenDistribution(Record):
    """A distribution that can't be used as it is, and why."""

    name: str
    location: str
    error: BrokenDistributionError


if TYPE_CHECKING:
    FoundDistribution: TypeAlias = Distribution | BrokenDistribution

    class Inventory(Protocol):
        """A source of distributions, asked by normalized names."""

        def plugin_distributions(self) -> tuple[FoundDistribution, ...]:
            """Return the distributions that declare plugins, sorted by name."""

        def find(self, name: str) -> FoundDistribution | None:
            """Return the distribution of that name, or None."""

        def read_source(self, name: str, path: str) -> bytes | None:
            """Return one of a distribution's own files by its path under the site root.

            The answer is None where the distribution has no such file.
            """

        def digests(self, name: str) -> Mapping[str, str]:
            """Return the `t1` digest of a distribution's files by wheel tag.

            Raises:
                BrokenDistributionError: its files aren't what its RECORD lists.
            """

        def python_version(self) -> str:
            """Return the language version of the interpreter, `3.11`."""

        def marker_environment(self) -> Mapping[str, str]:
            """Return the environment (PEP 508) that requirements are evaluated for."""
