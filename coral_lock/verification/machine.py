"""Looking at a machine: what is installed of what a lock names, as plain data.

Nothing is imported and no code of a plugin runs; `verification` judges what is seen.
"""

from __future__ import annotations

import os
import sys

from coral_lock.errors import BrokenDistributionError, UsageError
from coral_lock.imports.table import ImportTable, ProvedList, location_of, top_level_names
from coral_lock.installed.digest import hash_files, proved_hashes
from coral_lock.installed.dist_info import (
    MAX_RECORD_BYTES,
    MAX_RECORD_ROWS,
    is_editable,
    listed_outside,
    project_directory,
    read_commands,
    read_entry_points,
    read_metadata,
    read_text,
    read_wheel_tag,
)
from coral_lock.installed.files import (
    claimed_paths,
    compared,
    digest_files,
    find_strays,
    list_files,
    refuse_links,
    unclaimed,
)
from coral_lock.installed.import_lookup import find_in_process, import_chain
from coral_lock.installed.site_scan import scan_path
from coral_lock.names import CORE_DISTRIBUTION, INFERENCE_DISTRIBUTIONS, requirement_name
from coral_lock.record import Record
from coral_lock.reserved import placed
from coral_lock.verification.import_origins import Targets, listed_targets
from coral_lock.verification.startup import (
    loaded_files,
    may_own,
    shadowing_scripts,
    startup_files,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from coral_lock.installed.dist_info import Location, Rows
    from coral_lock.installed.files import FilesDigest, InstalledFiles
    from coral_lock.installed.import_lookup import Find
    from coral_lock.installed.outside import OutsideFiles
    from coral_lock.installed.site_scan import Scan
    from coral_lock.inventory import EntryPoint
    from coral_lock.lockfile.model import Lock, LockedDistribution
    from coral_lock.reserved import Placed
    from coral_lock.verification.import_origins import TargetState
    from coral_lock.verification.startup import StartupFile
    from coral_lock.verification.subject import Subject

METADATA = "metadata"
IMPORTS = "imports"
FULL = "full"
INTEGRITY_LEVELS = (METADATA, IMPORTS, FULL)


class InstalledState(Record):
    """What is seen of one distribution that the lock names.

    `locations` is empty where it isn't installed. `broken` is why its metadata can't be
    used; `requires` are the `Requires-Dist` values of METADATA, and `lacking` those of
    which nothing is installed, where no digest pins METADATA. `is_proved` says that the
    list of its files has the digest of the lock. `placed` is where it puts files, None where
    there is no list of them. `files` is None where no file was hashed,
    `outside` where no script, header or data file was, `tag` where nobody needs it.
    `strays` are unlisted files in its directories; of those, `claimed` are what the RECORD
    of a distribution lists that nobody proved.
    """

    locations: tuple[str, ...] = ()
    version: str | None = None
    requires: tuple[str, ...] = ()
    editable: bool = False
    entry_points: tuple[EntryPoint, ...] = ()
    lacking: tuple[str, ...] = ()
    is_proved: bool = False
    placed: Placed | None = None
    tag: str | None = None
    files: FilesDigest | None = None
    outside: OutsideFiles | None = None
    strays: tuple[str, ...] = ()
    claimed: tuple[str, ...] = ()
    broken: BrokenDistributionError | None = None


class UnlockedDistribution(Record):
    """A distribution outside the lock that declares plugins."""

    name: str
    location: str


class HostModule(Record):
    """Where a host's module would be imported from, and whether that is the locked host's."""

    module: str
    place: str
    is_own: bool


class MachineState(Record):
    """All that a verification looks at.

    `entry_targets` holds, by plugin id, what its entry point's module would be, and
    `root_targets`, by distribution, what its topmost modules would be. `host_modules` are
    by role, `core` or `inference`, for those that can be imported at all. `table` holds the
    proved lists; `unlisted` are top-level names of distributions without one.
    `unlocked_startup` are the files that Python runs at every start and that no locked
    distribution has put there, `shadowing_scripts` what would shadow modules for commands.
    """

    python: str
    integrity: str
    distributions: Mapping[str, InstalledState]
    hosts: Mapping[str, InstalledState]
    host_modules: Mapping[str, HostModule]
    entry_targets: Mapping[str, TargetState]
    root_targets: Mapping[str, tuple[TargetState, ...]]
    unlocked: tuple[UnlockedDistribution, ...]
    table: ImportTable
    unlisted: frozenset[str]
    unlocked_startup: tuple[StartupFile, ...]
    shadowing_scripts: Mapping[str, str]


def observe(
    lock: Lock, integrity: str, subject: Subject | None = None, *, is_start: bool = False
) -> MachineState:
    """Look at what is installed.

    Args:
        lock: what to look for; the part of a lock with targets that is for the machine.
        integrity: `metadata` reads no file of a distribution but its metadata. `imports`
            proves the lists of files of all distributions, by their RECORDs where those
            have the lock's digest, else by hashing; and hashes the files of those that
            provide plugins. `full` hashes all files. A file that runs at every start of
            Python is hashed at each level.
        subject: where to look, in this process's own environment by default.
        is_start: whether imports will come out of the proved lists, so that what lies
            about besides doesn't matter.

    Raises:
        UsageError: there is no such integrity level.
    """
    if integrity not in INTEGRITY_LEVELS:
        raise UsageError(
            f"an integrity level is one of {', '.join(INTEGRITY_LEVELS)}, not `{integrity}`"
        )
    scan = scan_path(sys.path if subject is None else subject.path)
    find = find_in_process if subject is None else subject.find
    plugin_distributions = set(lock.plugin_distributions())
    look = _Look(scan, is_image=subject is not None and subject.is_image)
    for distribution in lock.distributions:
        name = distribution.name
        look.at(name, name in plugin_distributions)
        if not distribution.digests and name in plugin_distributions:
            look.states[name] = _with_lacking(look.states[name], scan, lock)
    startup = startup_files(scan, subject)
    if integrity == METADATA:
        look.prove(look.owners_among(lock.distributions, startup))
        look.list_files(plugin_distributions)
    else:
        look.prove(lock.distributions)
        look.hash(plugin_distributions if integrity == IMPORTS else look.listed_names())
    unlocked_startup = look.compare_startup(startup, is_running=subject is None)
    look.hash_outside(lock.distributions)
    look.place(plugin_distributions if is_start else look.listed_names())
    is_by_list = is_start and integrity != METADATA
    if not is_by_list:
        look.find_strays()
    table = ImportTable(look.lists.values())
    targets = Targets({} if is_by_list else look.files, find)
    hosts = {
        name: look.states.get(name) or _look_at(scan.locations(name), False)
        for name in (CORE_DISTRIBUTION, *INFERENCE_DISTRIBUTIONS)
        if name in scan
    }
    return MachineState(
        python=subject.python if subject else f"{sys.version_info[0]}.{sys.version_info[1]}",
        integrity=integrity,
        distributions=look.states,
        hosts=hosts,
        host_modules=_host_modules(lock, scan, find, look.lists if is_by_list else ()),
        entry_targets=listed_targets(lock, table) if is_by_list else targets.of_entry_points(lock),
        root_targets=targets.of_roots(),
        unlocked=_unlocked(lock, scan),
        table=table,
        unlisted=_unlisted_names(lock, scan) if is_by_list else frozenset(),
        unlocked_startup=unlocked_startup,
        shadowing_scripts=shadowing_scripts(subject),
    )


class _Look:
    """What is seen so far.

    `states` are by distribution; `files` are those of which each file is looked at, and
    `lists` what is proved.
    """

    def __init__(self, scan: Scan, is_image: bool) -> None:
        self.states: dict[str, InstalledState] = {}
        self.files: dict[str, InstalledFiles] = {}
        self.lists: dict[str, ProvedList] = {}
        self._outside: dict[str, Rows] = {}
        self._scan = scan
        self._is_image = is_image

    def at(self, name: str, provides_plugins: bool) -> None:
        self.states[name] = _look_at(self._scan.locations(name), provides_plugins)

    def is_usable(self, name: str) -> bool:
        state = self.states[name]
        return len(state.locations) == 1 and state.broken is None and not state.editable

    def listed_names(self) -> Collection[str]:
        """Return the distributions of which there is any list of files, proved or not."""
        return {*self.lists, *self.files}

    def list_files(self, names: Iterable[str]) -> None:
        """List the files of distributions as their RECORDs do."""
        for name in sorted(names):
            if self.is_usable(name) and name not in self.files:
                location = self._scan.locations(name)[0]
                try:
                    files = list_files(location)
                    if self._is_image:
                        refuse_links(location, files)
                    self.files[name] = files
                except BrokenDistributionError as error:
                    self.states[name] = self.states[name].replace(broken=error)

    def prove(self, distributions: Iterable[LockedDistribution]) -> None:
        """Prove the lists of files that RECORDs prove, and list what the others state."""
        for distribution in distributions:
            name = distribution.name
            if not distribution.digests or not self.is_usable(name):
                continue
            location = self._scan.locations(name)[0]
            try:
                record = read_text(location, "RECORD", MAX_RECORD_BYTES) or ""
                self._outside[name] = listed_outside(record, location)
            except BrokenDistributionError as error:
                self.states[name] = self.states[name].replace(broken=error)
                continue
            is_readable = record.count("\n") <= MAX_RECORD_ROWS
            hashes = proved_hashes(record, distribution.digests.values()) if is_readable else None
            if hashes is None:
                self.list_files([name])
            else:
                self._add_list(distribution, location.root, hashes)
            if self._is_image:
                self.list_files([name])
        self._prove_by_hashing({each.name: each for each in distributions})

    def _prove_by_hashing(self, locked: Mapping[str, LockedDistribution]) -> None:
        """Hash the files of those that no RECORD proves; their hashes may have the digest."""
        names = [name for name in self.files if name not in self.lists]
        for name, digest in zip(names, digest_files([self.files[name] for name in names])):
            location = self._scan.locations(name)[0]
            try:
                tag = read_wheel_tag(location)
            except BrokenDistributionError as error:
                self.states[name] = self.states[name].replace(broken=error)
                continue
            self.states[name] = self.states[name].replace(tag=tag, files=digest)
            if locked[name].digests.get(tag) == digest.digest and not digest.missing:
                self._add_list(locked[name], location.root, digest.hashes)

    def _add_list(
        self, distribution: LockedDistribution, root: str, hashes: Mapping[str, str]
    ) -> None:
        name = distribution.name
        self.states[name] = self.states[name].replace(is_proved=True)
        self.lists[name] = ProvedList(
            name=name, root=root, hashes=hashes, requires=distribution.requires
        )

    def hash(self, names: Iterable[str]) -> None:
        """Hash the files of proved distributions, and compare them with the lists.

        A file that several list is what one of them says.
        """
        names = [name for name in sorted(names) if name in self.lists]
        self.list_files(names)
        names = [name for name in names if name in self.files and not self.states[name].files]
        found = hash_files(
            {
                self.files[name].locate(path): self.files[name].sizes.get(path)
                for name in names
                for path in self.lists[name].hashes
            }
        )
        roots = ImportTable(self.lists.values()).roots
        for name in names:
            proved = self.lists[name]
            files = self.files[name]
            hashes = {path: found.get(files.locate(path)) for path in proved.hashes}
            self.states[name] = self.states[name].replace(
                files=compared(proved.hashes, hashes, roots[proved.root].accepts)
            )

    def owners_among(
        self, distributions: Iterable[LockedDistribution], files: Sequence[StartupFile]
    ) -> list[LockedDistribution]:
        """Return those whose RECORDs mention files that Python runs at every start."""
        return [
            each
            for each in distributions
            if files and any(may_own(at, files) for at in self._scan.locations(each.name))
        ]

    def compare_startup(
        self, files: Sequence[StartupFile], *, is_running: bool
    ) -> tuple[StartupFile, ...]:
        """Compare the files that Python runs at every start with the proved lists.

        So are the modules that this process has loaded of the same distribution. Where one
        differs, all files of the distribution are hashed.

        Args:
            files: what Python runs.
            is_running: whether this very process has run them.

        Returns:
            Those that are in no list.
        """
        unlocked = []
        for file in files:
            owners = {
                each.name: paths
                for each in self.lists.values()
                if each.root == file.root and (paths := file.paths_in(each.hashes))
            }
            if not owners:
                unlocked.append(file)
            for name, paths in owners.items():
                listed = self.lists[name].hashes
                loaded = loaded_files(file.root).intersection(listed) if is_running else ()
                places = {location_of(file.root, path): path for path in (*paths, *loaded)}
                found = hash_files(dict.fromkeys(places))
                if any(found.get(place) != listed[path] for place, path in places.items()):
                    self.hash([name])
        return tuple(unlocked)

    def place(self, named: Collection[str]) -> None:
        """Note where distributions put files: beside the site root, and for some in it.

        Args:
            named: those of which the names in the site root are looked at.
        """
        for name in sorted(self.listed_names()):
            files = self.files.get(name)
            rows = self._outside.get(name, {}) if files is None else files.outside
            if not rows and name not in named:
                continue
            paths: Iterable[str] = ()
            if name in named:
                paths = self.lists[name].hashes if files is None else files.recorded
            outside: Iterable[str] = ()
            if rows:
                from coral_lock.installed.outside import stated_outside

                outside = stated_outside(self._scan.locations(name)[0], rows, name)
            self.states[name] = self.states[name].replace(placed=placed(paths, outside))

    def hash_outside(self, distributions: Iterable[LockedDistribution]) -> None:
        """Hash the scripts, headers and data of those whose other files were hashed."""
        for distribution in distributions:
            name = distribution.name
            state, files = self.states[name], self.files.get(name)
            if files is None or state.files is None:
                continue
            if not files.outside and distribution.data_digests is None:
                continue
            # Few distributions have such files, so that most starts don't pay for the import.
            from coral_lock.installed.outside import read_outside

            location = self._scan.locations(name)[0]
            try:
                self.states[name] = state.replace(
                    tag=state.tag or read_wheel_tag(location),
                    outside=read_outside(location, files.outside, read_commands(location), name),
                )
            except BrokenDistributionError as error:
                self.states[name] = state.replace(broken=error)

    def find_strays(self) -> None:
        """Find what lies in the directories of distributions whose files were hashed.

        What other proved lists claim is no stray. The RECORDs of the others are read only
        where there is one, so that this stays independent of how much is installed.
        """
        found = {
            name: find_strays(self.files[name])
            for name, state in sorted(self.states.items())
            if state.files is not None and name in self.files and state.broken is None
        }
        proved: dict[str, set[str]] = {}
        for each in self.lists.values():
            proved.setdefault(each.root, set()).update(each.hashes)
        stated: set[str] | None = None
        for name, paths in found.items():
            files = self.files[name]
            strays = [path for path in paths if path not in proved.get(files.root, ())]
            if strays and stated is None:
                stated = {
                    path
                    for other in self._scan.names()
                    if other not in self.lists
                    for path in claimed_paths(self._scan.locations(other))
                }
            if strays:
                unclaimed_strays = unclaimed(strays, files, (), stated or ())
                self.states[name] = self.states[name].replace(
                    strays=unclaimed_strays,
                    claimed=tuple(path for path in strays if path not in unclaimed_strays),
                )


def _look_at(locations: Sequence[Location], provides_plugins: bool) -> InstalledState:
    places = tuple(location.path for location in locations)
    if len(locations) != 1:
        return InstalledState(locations=places)
    (location,) = locations
    try:
        metadata = read_metadata(location)
        return InstalledState(
            locations=places,
            version=metadata.version,
            requires=metadata.requires,
            editable=is_editable(location),
            entry_points=read_entry_points(location) if provides_plugins else (),
        )
    except BrokenDistributionError as error:
        return InstalledState(locations=places, broken=error)


def _with_lacking(state: InstalledState, scan: Scan, lock: Lock) -> InstalledState:
    """Add the requirements of which nothing is installed and the lock was told nothing.

    One with a marker (PEP 508) is left out: to evaluate it takes more than a start may import.
    """
    told = {package.distribution for package in lock.host.packages()}
    lacking = []
    for text in state.requires:
        name = requirement_name(text)
        if name and ";" not in text and name not in scan and name not in told:
            lacking.append(text)
    return state.replace(lacking=tuple(lacking))


def _unlisted_names(lock: Lock, scan: Scan) -> frozenset[str]:
    """Return the top-level names of locked distributions that have no digest.

    Those of an editable install can't be told but by its entry points.
    """
    unpinned = {each.name for each in lock.distributions if not each.digests}
    names = {
        plugin.entry_point.partition(":")[0].partition(".")[0]
        for plugin in lock.plugins
        if plugin.distribution in unpinned
    }
    for name in unpinned:
        names |= top_level_names(claimed_paths(scan.locations(name)))
    return frozenset(names)


def _host_modules(
    lock: Lock, scan: Scan, find: Find, by_list: Collection[str]
) -> dict[str, HostModule]:
    """Look where the hosts' own modules would be imported from, but for those by a list.

    A host that was locked with its bytes and is absent now is left out: that is drift.
    """
    locked = {distribution.name for distribution in lock.distributions}
    modules = {}
    for role, package, module in (
        ("core", lock.host.core, "coral_inference"),
        ("inference", lock.host.inference, "inference"),
    ):
        if package is not None and package.distribution in by_list:
            continue
        chain = import_chain(module, find=find)
        locations = scan.locations(package.distribution) if package else ()
        is_absent = package is not None and package.distribution in locked and not locations
        if chain and not is_absent:
            place = chain[0].origin or "".join((chain[0].search or ("",))[:1])
            modules[role] = HostModule(
                module=module,
                place=place,
                is_own=place == ""
                or (len(locations) == 1 and _is_of(locations[0], module, os.path.abspath(place))),
            )
    return modules


def _is_of(location: Location, module: str, place: str) -> bool:
    """Whether a file lies in a distribution's package, or in the project it is edited in."""
    if place.startswith(os.path.join(location.root, module) + os.sep):
        return True
    project = project_directory(location)
    return project is not None and os.path.realpath(place).startswith(project + os.sep)


def _unlocked(lock: Lock, scan: Scan) -> tuple[UnlockedDistribution, ...]:
    known = {plugin.distribution for plugin in lock.plugins}
    known.update(plugin.distribution for plugin in lock.excluded)
    return tuple(
        UnlockedDistribution(name=name, location=location.path)
        for name in scan.names_that_may_declare_plugins()
        if name not in known
        for location in scan.locations(name)
        if _declares_plugins(location)
    )


def _declares_plugins(location: Location) -> bool:
    try:
        return bool(read_entry_points(location))
    except BrokenDistributionError:
        return True
