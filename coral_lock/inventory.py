"""What there is to choose from. Sources of distributions meet this protocol."""

from __future__ import annotations

from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Protocol, TypeAlias

    from coral_lock.errors import BrokenDistributionError
else:
    Protocol = object


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
        requires_python: the specifier of its METADATA, None where it states none.
        unknown_groups: the entry point groups that it declares under the host's prefix and
            that nobody knows, sorted.
    """

    name: str
    version: str
    requires: tuple[str, ...]
    entry_points: tuple[EntryPoint, ...]
    location: str
    editable: bool = False
    requires_python: str | None = None
    unknown_groups: tuple[str, ...] = ()

    @property
    def declares_plugins(self) -> bool:
        """Whether it declares any, though it be in a group that no host loads."""
        return bool(self.entry_points or self.unknown_groups)


class BrokenDistribution(Record):
    """A distribution that can't be used as it is, and why."""

    name: str
    location: str
    error: BrokenDistributionError


class StatedFiles(Record):
    """What the RECORD of a distribution states; hashes of one inventory are written alike.

    Args:
        files: the hash of each file that the digest covers, by its path under the site root.
        outside: that of each script, header and data file, by the path as `installed.outside`
            has it.
        commands: the console and GUI scripts that installers generate, sorted.
    """

    files: Mapping[str, str] = {}
    outside: Mapping[str, str] = {}
    commands: tuple[str, ...] = ()


class Reporter:
    """Receives the progress of long work, and does nothing; a terminal overrides the methods."""

    def probing(self, entry_point: str) -> None:
        """A fresh interpreter is about to import this entry point."""

    def hashing(self, distribution: str, done: int, total: int) -> None:
        """The files of `done` distributions of `total` are hashed, this one the last or the next.

        Several threads may call it.
        """

    def downloading(self, wheels: str, done: int, total: int) -> None:
        """Wheels of these distributions are about to be downloaded; `done` of `total` are."""

    def finished(self) -> None:
        """The work has ended."""


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

        Raises:
            UnreadableSourceError: it has it, and it can't be read or is too large.
        """

    def digests(
        self, names: Sequence[str], reporter: Reporter
    ) -> Iterator[tuple[str, Mapping[str, str] | BrokenDistributionError]]:
        """Yield for each of the names, in their order, its `t1` digest by wheel tag.

        An error in place of the digest says why there is none, where the files aren't what the
        distribution's RECORD lists. Progress goes to the reporter.
        """

    def stated(self, name: str) -> StatedFiles:
        """Return what a distribution's RECORD states.

        There is nothing where it is an editable install or can't be used.
        """

    def outside_hashes(self, name: str) -> Mapping[str, str] | None:
        """Return the SHA-256 of scripts, headers and data by path; None if all are absent.

        Raises:
            BrokenDistributionError: one is absent or isn't what RECORD states.
        """

    def python_version(self) -> str:
        """Return the Python that they are for, `3.11`."""

    def marker_environment(self) -> Mapping[str, str]:
        """Return the environment (PEP 508) that requirements are evaluated for."""


class ReleaseSource(Protocol):
    """Several versions of distributions to choose from, for one target.

    Names are normalized; versions are those of `releases`.
    """

    def names(self) -> tuple[str, ...]:
        """Return the distributions of which there is any wheel, sorted."""

    def releases(self, name: str) -> tuple[str, ...]:
        """Return the versions that have a wheel which fits the target, the newest first."""

    def unfitting(self, name: str) -> Mapping[str, str]:
        """Return the versions of the wheels that don't fit the target, by their file names."""

    def distribution_of(self, name: str, file_name: str) -> FoundDistribution:
        """Return what one of those wheels says of itself."""

    def distribution(self, name: str, version: str) -> FoundDistribution:
        """Return what the wheel of a version says of itself; it is read once."""

    def chosen(self, versions: Mapping[str, str]) -> Inventory:
        """Return the inventory of just these versions, by name.

        A version without a wheel that fits the target is left out.
        """

    def marker_environment(self) -> Mapping[str, str]:
        """Return the environment (PEP 508) that requirements are evaluated for."""
