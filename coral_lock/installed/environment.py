"""The inventory of a Python environment: what is installed on a path."""

from __future__ import annotations

import os
import sys

from coral_lock.errors import BrokenDistributionError
from coral_lock.installed.dist_info import (
    is_editable,
    read_entry_points,
    read_metadata,
    read_wheel_tag,
)
from coral_lock.installed.files import (
    claimed_paths,
    digest_files,
    find_strays,
    list_files,
    unclaimed,
)
from coral_lock.installed.module_lookup import module_origin
from coral_lock.installed.site_scan import scan_path
from coral_lock.inventory import BrokenDistribution, Distribution
from coral_lock.names import normalized_name
from coral_lock.safe_read import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coral_lock.installed.dist_info import Location
    from coral_lock.installed.files import InstalledFiles
    from coral_lock.inventory import EntryPoint, FoundDistribution

MAX_SOURCE_BYTES = 1 << 20


class EnvironmentInventory:
    """The distributions installed for this interpreter; an `inventory.Inventory`.

    Args:
        path: the directories to look in, `sys.path` by default. They are listed once, at
            construction.
    """

    def __init__(self, path: Sequence[str] | None = None) -> None:
        self._scan = scan_path(sys.path if path is None else path)
        self._found: dict[str, FoundDistribution] = {}
        self._files: dict[str, InstalledFiles] = {}
        self._claims: dict[str, frozenset[str]] | None = None

    def plugin_distributions(self) -> tuple[FoundDistribution, ...]:
        """Return the distributions that declare plugins, sorted by name."""
        found = []
        for name in self._scan.names_that_may_declare_plugins():
            distribution = self._look_up(name)
            if isinstance(distribution, BrokenDistribution) or distribution.entry_points:
                found.append(distribution)
        return tuple(found)

    def find(self, name: str) -> FoundDistribution | None:
        """Return the distribution of that normalized name, or None."""
        return self._look_up(name) if name in self._scan else None

    def read_source(self, name: str, path: str) -> bytes | None:
        """Return one of a distribution's own files; for an editable install, its source."""
        distribution = self._look_up(name)
        if isinstance(distribution, BrokenDistribution):
            return None
        try:
            if distribution.editable:
                return _read_editable(path, distribution.entry_points)
            files = self._list_files(name)
            if path not in files.recorded:
                return None
            return read_regular_file(files.locate(path), MAX_SOURCE_BYTES)
        except (OSError, BrokenDistributionError):
            return None

    def digests(self, name: str) -> Mapping[str, str]:
        """Return the digest of a distribution's files under its wheel tag.

        An editable install has none, as its bytes aren't fixed.

        Raises:
            BrokenDistributionError: a file is missing, unlisted or unreadable.
        """
        distribution = self._look_up(name)
        if isinstance(distribution, BrokenDistribution):
            raise distribution.error
        if distribution.editable:
            return {}
        files = self._list_files(name)
        self._refuse_strays(name, files)
        (outcome,) = digest_files([files])
        if outcome.missing:
            raise BrokenDistributionError(
                f"`{outcome.missing[0]}` is listed in the RECORD of `{name}` and can't be read"
                + _and_more(outcome.missing),
                code="file-missing",
                where=distribution.location,
                hint=f"reinstall `{name}`",
            )
        if outcome.changed:
            raise BrokenDistributionError(
                f"`{outcome.changed[0]}` isn't the file that the RECORD of `{name}` states"
                + _and_more(outcome.changed),
                code="unusable-record",
                where=files.locate(outcome.changed[0]),
                hint=f"reinstall `{name}` from a wheel you trust",
            )
        return {read_wheel_tag(self._scan.locations(name)[0]): outcome.digest}

    def python_version(self) -> str:
        """Return the language version of this interpreter, `3.11`."""
        return f"{sys.version_info[0]}.{sys.version_info[1]}"

    def marker_environment(self) -> Mapping[str, str]:
        """Return the marker environment of this interpreter."""
        from packaging.markers import default_environment

        return {key: str(value) for key, value in default_environment().items()}

    def _look_up(self, name: str) -> FoundDistribution:
        if name not in self._found:
            self._found[name] = _read_distribution(name, self._scan.locations(name))
        return self._found[name]

    def _list_files(self, name: str) -> InstalledFiles:
        if name not in self._files:
            self._files[name] = list_files(self._scan.locations(name)[0])
        return self._files[name]

    def _refuse_strays(self, name: str, files: InstalledFiles) -> None:
        strays = find_strays(files)
        if not strays:
            return
        if self._claims is None:
            self._claims = {
                other: claimed_paths(self._scan.locations(other)) for other in self._scan.names()
            }
        others = {path for other, paths in self._claims.items() if other != name for path in paths}
        strays = unclaimed(strays, files, (), others)
        if strays:
            raise BrokenDistributionError(
                f"`{strays[0]}` lies in a directory of `{name}`, whose RECORD doesn't list it"
                + _and_more(strays),
                code="unlocked-file",
                where=files.locate(strays[0]),
                hint=f"remove it, or reinstall `{name}` from a sound wheel",
            )


def _and_more(paths: Sequence[str]) -> str:
    return f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""


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
        return Distribution(
            name=name,
            version=metadata.version,
            requires=metadata.requires,
            entry_points=read_entry_points(location),
            location=location.path,
            editable=is_editable(location),
        )
    except BrokenDistributionError as error:
        return BrokenDistribution(name=name, location=location.path, error=error)


def _read_editable(path: str, entry_points: Sequence[EntryPoint]) -> bytes | None:
    """Return a source file of an editable install, found as an import would find it.

    Only what lies in the packages of its entry points is the distribution's own.
    """
    own = {entry_point.value.partition(":")[0].partition(".")[0] for entry_point in entry_points}
    top = path.partition("/")[0].removesuffix(".py")
    if top not in own:
        return None
    origin = module_origin(top)
    if origin is None:
        return None
    if "/" in path:
        root = os.path.dirname(os.path.dirname(origin))
        return read_regular_file(os.path.join(root, path), MAX_SOURCE_BYTES)
    return read_regular_file(origin, MAX_SOURCE_BYTES) if origin.endswith(f"{top}.py") else None
