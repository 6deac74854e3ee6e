"""The inventory of a Python environment: what is installed on a path."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from coral_lock.errors import BrokenDistributionError, UnreadableSourceError
from coral_lock.installed.dist_info import (
    Location,
    is_editable,
    parse_entry_points,
    read_commands,
    read_entry_points_text,
    read_metadata,
    read_wheel_tag,
    unknown_groups,
)
from coral_lock.installed.files import (
    FilesDigest,
    InstalledFiles,
    claimed_paths,
    digest_files,
    find_strays,
    list_files,
    overwritten,
    refuse_links,
    unclaimed,
)
from coral_lock.installed.import_lookup import (
    DirectoryFinder,
    find_in_process,
    import_chain,
)
from coral_lock.installed.outside import is_generated, read_outside, stated_outside
from coral_lock.installed.site_scan import scan_path
from coral_lock.inventory import BrokenDistribution, Distribution, EntryPoint, Reporter, StatedFiles
from coral_lock.names import normalized_name
from coral_lock.safe_files import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.installed.import_lookup import Find
    from coral_lock.inventory import FoundDistribution

MAX_SOURCE_BYTES = 1 << 20


class EnvironmentInventory:
    """The distributions installed for an interpreter; an `inventory.Inventory`.

    Args:
        path: the directories to look in, `sys.path` by default. They are listed once, at
            construction.
        markers: the marker environment (PEP 508) of another interpreter, whose modules this
            process's own import system doesn't find.
        is_image: whether the directories are another machine's, so that links in them may
            lead elsewhere than here.
    """

    def __init__(
        self,
        path: Sequence[str] | None = None,
        markers: Mapping[str, str] | None = None,
        *,
        is_image: bool = False,
    ) -> None:
        path = sys.path if path is None else path
        self._scan = scan_path(path)
        self._markers = markers
        self._is_image = is_image
        self._find: Find = find_in_process if markers is None else DirectoryFinder(path).find
        self._found: dict[str, FoundDistribution] = {}
        self._files: dict[str, InstalledFiles] = {}
        self._stated: dict[str, StatedFiles] = {}
        self._claims: Mapping[str, str] | None = None

    def plugin_distributions(self) -> tuple[FoundDistribution, ...]:
        """Return the distributions that declare plugins, or seem to, sorted by name."""
        found = map(self._look_up, self._scan.names_that_may_declare_plugins())
        return tuple(
            each for each in found if isinstance(each, BrokenDistribution) or each.declares_plugins
        )

    def find(self, name: str) -> FoundDistribution | None:
        """Return the distribution of that normalized name, or None."""
        return self._look_up(name) if name in self._scan else None

    def read_source(self, name: str, path: str) -> bytes | None:
        """Return one of a distribution's own files; for an editable install, its source.

        Raises:
            UnreadableSourceError: RECORD lists it, and it can't be read or has over 1 MiB.
        """
        distribution = self._look_up(name)
        if isinstance(distribution, Distribution) and distribution.editable:
            return _read_editable(path, distribution.entry_points, self._find)
        files = self._usable_files(name)
        if files is None or path not in files.recorded:
            return None
        try:
            return read_regular_file(files.locate(path), MAX_SOURCE_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UnreadableSourceError(
                f"`{path}` can't be read: {error.strerror}", where=files.locate(path)
            ) from None

    def digests(
        self, names: Sequence[str], reporter: Reporter
    ) -> Iterator[tuple[str, Mapping[str, str] | BrokenDistributionError]]:
        """Yield the digest of each distribution's files under its wheel tag.

        An editable install has none, as its bytes aren't fixed. An error says that a file
        is missing, unlisted or unreadable. Where two of the distributions overwrite each
        other's files, each has the digest of what its own RECORD states.
        """
        listed = {name: files for name in names if (files := self._usable_files(name))}
        twins = overwritten(listed.values())
        locked = {path for files in listed.values() for path in files.recorded}
        for index, name in enumerate(names):
            reporter.hashing(name, index, len(names))
            try:
                distribution = self._look_up(name)
                if isinstance(distribution, BrokenDistribution):
                    raise distribution.error
                digests = {}
                if not distribution.editable:
                    files = self._list_files(name)
                    self._refuse_strays(name, files, locked)
                    (outcome,) = digest_files([files], twins)
                    _refuse_differing(name, outcome, files.locate)
                    digests = {read_wheel_tag(self._location(name)): outcome.digest}
                yield name, digests
            except BrokenDistributionError as error:
                yield name, error

    def stated(self, name: str) -> StatedFiles:
        """Return what RECORD states of the files but generated scripts."""
        if name not in self._stated:
            self._stated[name] = self._find_stated(name)
        return self._stated[name]

    def _find_stated(self, name: str) -> StatedFiles:
        files = self._usable_files(name)
        if files is None:
            return StatedFiles()
        location = self._location(name)
        commands = read_commands(location)
        outside = stated_outside(location, files.outside, name)
        return StatedFiles(
            files={path: row.partition(",")[0] for path, row in files.recorded.items()},
            outside={
                path: each
                for path, each in outside.items()
                if not is_generated(path, commands, name)
            },
            commands=tuple(sorted(commands)),
        )

    def outside_hashes(self, name: str) -> Mapping[str, str] | None:
        """Return the hashes of the scripts, headers and data, by path; None if all are absent.

        Raises:
            BrokenDistributionError: one is absent or isn't what RECORD states.
        """
        location = self._location(name)
        rows = self._list_files(name).outside
        found = read_outside(location, rows, read_commands(location), name)
        if found.are_absent:
            return None
        _refuse_differing(name, found, lambda _: location.path)
        return found.hashes

    def python_version(self) -> str:
        """Return the version of the interpreter."""
        if self._markers is not None:
            return self._markers["python_version"]
        return ".".join(map(str, sys.version_info[:2]))

    def marker_environment(self) -> Mapping[str, str]:
        """Return the marker environment of the interpreter."""
        # It is asked for by requirements with markers alone, and takes long to import.
        from coral_lock.targets.environment import this_markers

        return self._markers or this_markers()

    def _location(self, name: str) -> Location:
        return self._scan.locations(name)[0]

    def _look_up(self, name: str) -> FoundDistribution:
        if name not in self._found:
            self._found[name] = _read_distribution(name, self._scan.locations(name))
        return self._found[name]

    def _usable_files(self, name: str) -> InstalledFiles | None:
        """Return a distribution's files; None for an editable or a broken one."""
        distribution = self._look_up(name)
        if isinstance(distribution, BrokenDistribution) or distribution.editable:
            return None
        try:
            return self._list_files(name)
        except BrokenDistributionError:
            return None

    def _list_files(self, name: str) -> InstalledFiles:
        if name not in self._files:
            files = list_files(self._location(name))
            if self._is_image:
                refuse_links(self._location(name), files)
            self._files[name] = files
        return self._files[name]

    def _refuse_strays(self, name: str, files: InstalledFiles, locked: Collection[str]) -> None:
        strays, _ = find_strays(files, locked)
        if strays and self._claims is None:
            self._claims = claimed_paths(self._scan.names(), self._scan)
        claims = self._claims or {}
        # What no distribution has put there comes first.
        if unexpected := sorted(unclaimed(strays, files, claims), key=claims.__contains__):
            path = unexpected[0]
            what = "unexpected file"
            hint = f"remove it, or reinstall `{name}` from a wheel you trust"
            if (owner := claims.get(path, name)) != name:
                what = f"`{owner}`, which isn't locked, has a file"
                hint = f"add `{owner}` to `program.requires` in the descriptor, or uninstall it"
            message = f"{what} in a directory of `{name}`: `{path}`"
            raise _broken(name, unexpected, "unlocked-file", message, files.locate(path), hint)


def _refuse_differing(name: str, files: FilesDigest, locate: Callable[[str], str]) -> None:
    for paths, code, what in (
        (files.missing, "file-missing", "is missing, and its RECORD lists it"),
        (files.unreadable, "file-missing", "can't be read"),
        (files.changed, "unusable-record", "isn't the file that its RECORD states"),
    ):
        if paths:
            message = f"`{paths[0]}` of `{name}` {what}"
            raise _broken(name, paths, code, message, locate(paths[0]))


def _broken(
    name: str, paths: Sequence[str], code: str, message: str, where: str, hint: str | None = None
) -> BrokenDistributionError:
    """Return the error about the first of a distribution's files, and how many more there are."""
    return BrokenDistributionError(
        message + (f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""),
        code=code,
        where=where,
        hint=hint or f"reinstall `{name}` from a wheel you trust",
    )


def _read_distribution(name: str, locations: Sequence[Location]) -> FoundDistribution:
    location = locations[0]
    try:
        if len(locations) > 1:
            raise BrokenDistributionError(
                f"`{name}` is installed {len(locations)} times: "
                + ", ".join(copy.path for copy in locations),
                code="duplicate-distribution",
                where=location.path,
                hint=f"uninstall every copy of `{name}`, then install it once",
            )
        metadata = read_metadata(location)
        if normalized_name(metadata.name) != name:
            raise BrokenDistributionError(
                f"the directory of `{name}` holds the metadata of `{metadata.name}`",
                code="plugin-broken",
                where=location.path,
                hint="remove the directory, or reinstall the distribution",
            )
        text = read_entry_points_text(location)
        return Distribution(
            name=name,
            version=metadata.version,
            requires=metadata.requires,
            entry_points=parse_entry_points(text, os.path.join(location.path, "entry_points.txt")),
            unknown_groups=unknown_groups(text),
            location=location.path,
            editable=is_editable(location),
            requires_python=metadata.requires_python,
        )
    except BrokenDistributionError as error:
        return BrokenDistribution(name=name, location=location.path, error=error)


def _read_editable(path: str, entry_points: Sequence[EntryPoint], find: Find) -> bytes | None:
    """Return a source file of an editable install, found as an import would find it.

    Only files in the packages of its entry points are the distribution's own.
    """
    own = {entry_point.value.partition(":")[0].partition(".")[0] for entry_point in entry_points}
    *directories, file = path.split("/")
    top = directories[0] if directories else file.removesuffix(".py")
    if top not in own:
        return None
    if directories:
        chain = import_chain(".".join(directories), find=find)
        packages = [package.search for package in chain if package.search is not None]
        rest = path.split("/")[len(packages) :]
        places = [os.path.join(place, *rest) for place in (packages or [()])[-1]]
    else:
        found = find(top, None)
        origin = found.origin or "" if found else ""
        places = [origin] if origin.endswith(f"{top}.py") else []
    for place in places:
        try:
            return read_regular_file(place, MAX_SOURCE_BYTES)
        except OSError:
            continue
    return None
