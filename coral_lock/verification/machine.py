"""Looking at a machine: what is installed of what a lock names, as plain data.

Nothing is imported and no code of a plugin runs; `verification.findings` judges what is seen.
"""

from __future__ import annotations

import os
import sys

from coral_lock.errors import BrokenDistributionError, UsageError
from coral_lock.imports.table import ImportTable, ProvedList, location_of, top_level_names
from coral_lock.installed.digest import hash_files, proved_hashes
from coral_lock.installed.dist_info import (
    is_editable,
    project_directory,
    read_commands,
    read_entry_points,
    read_metadata,
    read_wheel_tag,
)
from coral_lock.installed.files import (
    check_record,
    claimed_paths,
    compare_files,
    digest_files,
    find_strays,
    read_files,
    refuse_links,
    size_in,
    unclaimed,
)
from coral_lock.installed.import_lookup import find_in_process, import_chain
from coral_lock.installed.site_scan import scan_path
from coral_lock.lockfile.entries import HostPackage
from coral_lock.names import HOST_DISTRIBUTIONS, requirement_name
from coral_lock.record import Record
from coral_lock.reserved import Placed
from coral_lock.verification.origins import (
    ModuleOrigin,
    ModuleOrigins,
    listed_origins,
    loaded_files,
    may_own,
    shadowing_scripts,
    startup_files,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from coral_lock.imports.table import RootFiles
    from coral_lock.installed.dist_info import Location
    from coral_lock.installed.files import FilesDigest, InstalledFiles
    from coral_lock.installed.import_lookup import Find
    from coral_lock.inventory import EntryPoint
    from coral_lock.lockfile.entries import LockedDistribution
    from coral_lock.lockfile.model import Lock
    from coral_lock.targets.machine import Machine
    from coral_lock.verification.origins import StartupFile

    InstalledHost = tuple[HostPackage | None, HostPackage | None]
    """The core and the inference host that are installed, each None where none is."""

METADATA = "metadata"
IMPORTS = "imports"
FULL = "full"
INTEGRITY_LEVELS = (METADATA, IMPORTS, FULL)

_LOADER_VARIABLES = (
    "DYLD_INSERT_LIBRARIES",
    "DYLD_LIBRARY_PATH",
    "LD_AUDIT",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
)


class Environment(Record):
    """A Python environment.

    Args:
        path: the directories that may hold distributions.
        python: its language version, `3.11`.
        find: finds the file that an import in it would load.
        machine: the machine, None for this one, and where nobody knows it.
        executable: its interpreter's file, None where nothing of it is run.
        is_image: whether the files are another machine's, where links may lead elsewhere.
        is_own: whether it is that of this process.
    """

    path: tuple[str, ...]
    python: str
    find: Find
    machine: Machine | None = None
    executable: str | None = None
    is_image: bool = False
    is_own: bool = False


def own_environment() -> Environment:
    """Return the environment of this process."""
    return Environment(
        path=tuple(sys.path),
        python=f"{sys.version_info[0]}.{sys.version_info[1]}",
        find=find_in_process,
        executable=sys.executable,
        is_own=True,
    )


class InstalledState:
    """What is seen of one distribution; `MachineState` fills it in, step by step.

    Attributes:
        locations: where it is installed; empty where it isn't.
        broken: why its metadata or its RECORD can't be used.
        version: what METADATA states.
        requires: its `Requires-Dist` values.
        editable: whether it is an editable install.
        entry_points: its plugins' entry points, of a distribution that provides plugins.
        lacking: those of `requires` of which nothing is installed, where no digest pins METADATA.
        files: what its RECORD lists; None where that wasn't read.
        is_checked: whether that RECORD is known to be one that installers write.
        proved: the list of its files that has the digest of the lock; None without one.
        digest: the outcome of hashing its files; None where they weren't hashed.
        tag: the wheel tag, where it is needed.
        outside: the outcome of hashing its scripts, headers and data; None likewise.
        placed: where it puts files; None where no list says so.
        strays: unlisted files in its directories.
        leftovers: bytecode there that isn't of a locked source.
        owners: what a distribution lists that nobody proved, the strays first, by path. It may
            have put the others there.
    """

    def __init__(self, name: str, locations: Sequence[Location]) -> None:
        self.name = name
        self.locations = tuple(location.path for location in locations)
        self.location = locations[0] if len(locations) == 1 else None
        self.broken: BrokenDistributionError | None = None
        self.version: str | None = None
        self.requires: tuple[str, ...] = ()
        self.editable = False
        self.entry_points: tuple[EntryPoint, ...] = ()
        self.lacking: tuple[str, ...] = ()
        self.files: InstalledFiles | None = None
        self.is_checked = False
        self.proved: ProvedList | None = None
        self.digest: FilesDigest | None = None
        self.tag: str | None = None
        self.outside: FilesDigest | None = None
        self.placed: Placed | None = None
        self.strays: tuple[str, ...] = ()
        self.leftovers: tuple[str, ...] = ()
        self.owners: dict[str, str] = {}

    def attempt(self, step: Callable[..., None], *arguments: object) -> bool:
        """Take a step with the one location; whether the distribution can be used so far."""
        if self.location is not None and self.broken is None and not self.editable:
            try:
                step(self.location, *arguments)
            except BrokenDistributionError as error:
                self.broken = error
        return self.location is not None and self.broken is None and not self.editable

    def read_metadata(self, location: Location, provides_plugins: bool) -> None:
        metadata, editable = read_metadata(location), is_editable(location)
        self.entry_points = read_entry_points(location) if provides_plugins else ()
        self.version, self.requires = metadata.version, metadata.requires
        self.editable = editable

    def check_files(self, location: Location, is_image: bool) -> None:
        """Read the RECORD, if that wasn't done, and refuse one that no installer writes."""
        files = self.files = self.files or read_files(location)
        if not self.is_checked:
            check_record(files, location)
            if is_image:
                refuse_links(location, files)
            self.is_checked = True

    def prove(self, location: Location, locked: LockedDistribution) -> None:
        """Read the RECORD, and take it for the list of the files if it has the lock's digest."""
        files = self.files = self.files or read_files(location)
        hashes = proved_hashes(files.recorded, locked.digests.values())
        if hashes is not None:
            self.take_list(location, locked, hashes)

    def prove_by_hashing(
        self, location: Location, locked: LockedDistribution, digest: FilesDigest
    ) -> None:
        """Take the hashes of the files themselves for the list if they have the lock's digest."""
        self.tag, self.digest = read_wheel_tag(location), digest
        if locked.digests.get(self.tag) == digest.digest:
            self.take_list(location, locked, digest.hashes)

    def take_list(
        self, location: Location, locked: LockedDistribution, hashes: Mapping[str, str]
    ) -> None:
        self.proved = ProvedList(
            name=self.name, root=location.root, hashes=hashes, requires=locked.requires
        )

    def hash_outside(self, location: Location, files: InstalledFiles) -> None:
        """Hash the scripts, headers and data."""
        # Few distributions have such files, so that most starts don't pay for the import.
        from coral_lock.installed.outside import read_outside

        self.tag = self.tag or read_wheel_tag(location)
        self.outside = read_outside(location, files.outside, read_commands(location), self.name)

    def place(self, is_named: bool) -> None:
        """Note where files are put: outside of the site root, and if `is_named` in it."""
        if self.files is None or not (self.is_checked or self.proved):
            return
        if not (self.files.outside or is_named):
            return
        paths = self.files.recorded if self.is_checked or not self.proved else self.proved.hashes
        outside: Iterable[str] = ()
        if self.files.outside and self.location is not None:
            from coral_lock.installed.outside import stated_outside

            outside = stated_outside(self.location, self.files.outside, self.name)
        self.placed = Placed(paths if is_named else (), outside)


class MachineState:
    """All that a verification looks at; to make one is to look.

    Args:
        lock: what to look for; the part of a lock with targets that is for the machine.
        integrity: `metadata` reads no file of a distribution but its metadata. `imports`
            proves the lists of files of all distributions, by their RECORDs where those
            have the lock's digest, else by hashing; and hashes the files of those that
            provide plugins. `full` hashes all files. A file that runs at every start of
            Python is hashed at each level.
        environment: where to look, this process's own by default.
        is_start: whether imports will come out of the proved lists, so that other files
            don't matter.
        program: the file of the program that is about to run, if it is one. If it is a script of
            a distribution, that one's scripts, headers and data are hashed, but under `metadata`.
        about_to_hash: gets this once the hosts are known, and no more than metadata was read.

    Raises:
        UsageError: there is no such integrity level.

    Attributes:
        python: the language version, `3.11`.
        integrity: the level that was asked for.
        distributions: what is seen of each distribution of the lock, by name.
        hosts: the same of each host distribution that is installed.
        host_origins: by role, `core` or `inference`, where the module of the host would come from,
            if it can be imported at all.
        entry_origins: by plugin id, where the module of its entry point would come from.
        root_origins: by distribution, where its topmost modules would come from.
        unlocked: the place of each distribution outside the lock that declares plugins, by name.
        table: the proved lists.
        unlisted: the top-level names of locked distributions without a list.
        unlocked_startup: the files that Python runs at every start and that no locked
            distribution has put there.
        shadowing_scripts: the places of what would shadow modules for commands, by name.
        loader_variables: those of this process that say which libraries are loaded, see ld.so(8);
            of another environment nobody knows them.
    """

    def __init__(
        self,
        lock: Lock,
        integrity: str,
        environment: Environment | None = None,
        *,
        is_start: bool = False,
        program: str | None = None,
        about_to_hash: Callable[[MachineState], None] = lambda machine: None,
    ) -> None:
        if integrity not in INTEGRITY_LEVELS:
            raise UsageError(
                f"an integrity level is one of {', '.join(INTEGRITY_LEVELS)}, not `{integrity}`"
            )
        environment = environment or own_environment()
        is_by_list = is_start and integrity != METADATA
        self.python, self.integrity = environment.python, integrity
        self._lock, self._environment = lock, environment
        scan = self._scan = scan_path(environment.path)
        providers = set(lock.plugin_distributions())
        self.distributions = {
            locked.name: self._look_at(locked.name, locked.name in providers)
            for locked in lock.distributions
        }
        self.hosts = {
            name: self.distributions.get(name) or self._look_at(name, provides_plugins=False)
            for names in HOST_DISTRIBUTIONS.values()
            for name in names
            if name in scan
        }
        about_to_hash(self)
        for locked in lock.distributions:
            if locked.name in providers and not locked.digests:
                self._find_lacking(self.distributions[locked.name])
        startup = startup_files(scan, environment)
        if integrity == METADATA:
            self._prove(
                locked
                for locked in lock.distributions
                if startup and any(may_own(at, startup) for at in scan.locations(locked.name))
            )
            for name in providers:
                self._check_files(self.distributions[name])
        else:
            self._prove(lock.distributions)
            self._hash(providers if integrity == IMPORTS else self.distributions)
        self.unlocked_startup = tuple([file for file in startup if not self._is_owned(file)])
        shipping = self._that_may_ship(program) if program and integrity != METADATA else ()
        for locked in lock.distributions:
            state = self.distributions[locked.name]
            files = state.files if state.digest or locked.name in shipping else None
            if files and (files.outside or locked.data_digests is not None):
                state.attempt(state.hash_outside, files)
            state.place(locked.name in providers or not is_start)
        states = self.distributions.values()
        proved = {state.name: state.proved for state in states if state.proved}
        self.table = ImportTable(proved.values())
        if not is_by_list:
            self._find_strays()
        origins = ModuleOrigins(
            {
                state.name: state.files
                for state in states
                if state.files and state.is_checked and not is_by_list
            },
            environment,
        )
        self.root_origins = origins.of_roots()
        self.entry_origins = origins.of_entry_points(lock)
        self.unlisted: frozenset[str] = frozenset()
        if is_by_list:
            self.entry_origins = listed_origins(lock, self.table)
            self.unlisted = self._unlisted_names()
        self.host_origins = self._host_origins(proved if is_by_list else ())
        self.unlocked = self._unlocked()
        self.shadowing_scripts = shadowing_scripts(environment)
        known = os.environ if environment.is_own else {}
        self.loader_variables = {name: known[name] for name in _LOADER_VARIABLES if known.get(name)}

    def installed_host(self) -> InstalledHost:
        """Return the core and the inference host that are installed.

        Of several inference hosts it is the one that the lock names.
        """
        locked = {package.distribution for package in self._lock.host.packages()}

        def installed(names: Sequence[str]) -> HostPackage | None:
            for name in sorted(names, key=lambda name: name not in locked):
                if name in self.hosts and (version := self.hosts[name].version):
                    return HostPackage(distribution=name, version=version)
            return None

        return installed(HOST_DISTRIBUTIONS["core"]), installed(HOST_DISTRIBUTIONS["inference"])

    def _look_at(self, name: str, provides_plugins: bool) -> InstalledState:
        state = InstalledState(name, self._scan.locations(name))
        state.attempt(state.read_metadata, provides_plugins)
        return state

    def _find_lacking(self, state: InstalledState) -> None:
        """Find the requirements of which nothing is installed and the lock states no version.

        One with a marker (PEP 508) is left out: to evaluate it takes more than a start may import.
        """
        known = {"", *(package.distribution for package in self._lock.host.packages())}
        state.lacking = tuple(
            text
            for text in state.requires
            if ";" not in text
            and (name := requirement_name(text)) not in self._scan
            and name not in known
        )

    def _check_files(self, state: InstalledState) -> bool:
        """Whether the RECORD of a distribution is one that installers write."""
        return state.attempt(state.check_files, self._environment.is_image) and state.is_checked

    def _prove(self, distributions: Iterable[LockedDistribution]) -> None:
        """Prove the lists of files by the RECORDs, else by hashing what those list."""
        unproved = []
        for locked in distributions:
            state = self.distributions[locked.name]
            if not locked.digests:
                continue
            state.attempt(state.prove, locked)
            if state.proved and not self._environment.is_image:
                continue
            if self._check_files(state) and state.files and not state.proved:
                unproved.append((state, state.files, locked))
        digests = digest_files([files for _, files, _ in unproved])
        for (state, _, locked), digest in zip(unproved, digests):
            state.attempt(state.prove_by_hashing, locked, digest)

    def _hash(self, names: Collection[str]) -> None:
        """Hash the files of proved distributions, and compare them with the lists.

        A file that several list is what one of them says.
        """
        chosen: list[tuple[InstalledState, ProvedList, dict[str, str]]] = []
        sizes: dict[str, int | None] = {}
        for name in sorted(names):
            state = self.distributions[name]
            if state.proved and not state.digest and self._check_files(state) and state.files:
                places = {path: state.files.locate(path) for path in state.proved.hashes}
                chosen.append((state, state.proved, places))
                for path, place in places.items():
                    sizes[place] = size_in(state.files.recorded.get(path, ""))
        found = hash_files(sizes)
        states = self.distributions.values()
        roots = ImportTable(each.proved for each in states if each.proved).roots
        for state, proved, places in chosen:
            root = roots[proved.root]

            def accepted(
                path: str, digest: str, proved: ProvedList = proved, root: RootFiles = root
            ) -> str | None:
                return proved.hashes[path] if root.accepts(path, digest) else None

            state.digest = compare_files(places, found, accepted)

    def _that_may_ship(self, program: str) -> Collection[str]:
        """Return the distributions that have put a program where scripts are.

        RECORD says whose it is, and isn't proved there: what no RECORD lists may be of any
        distribution whose scripts, headers or data are locked.
        """
        place = os.path.realpath(program)
        name = os.path.basename(place)
        owners = [
            state.name
            for state in self.distributions.values()
            if state.files
            for path in state.files.outside
            if os.path.basename(path) == name
            and os.path.realpath(state.files.locate(path)) == place
        ]
        is_script = os.path.dirname(place) == os.path.realpath(os.path.dirname(sys.executable))
        if owners or not is_script:
            return owners
        return [locked.name for locked in self._lock.distributions if locked.data_digests]

    def _is_owned(self, file: StartupFile) -> bool:
        """Whether a file that Python runs at every start is in a proved list.

        If so, it is compared with that list. So are the modules that this process has loaded of
        the same distribution. Where one differs, all files of the distribution are hashed.
        """
        is_owned = False
        for name, state in self.distributions.items():
            proved = state.proved
            paths = file.paths_in(proved.root, proved.hashes) if proved else []
            if proved is None or not paths:
                continue
            is_owned = True
            if self._environment.is_own:
                paths.extend(loaded_files(proved.root).intersection(proved.hashes))
            places = {location_of(proved.root, path): path for path in paths}
            found = hash_files(dict.fromkeys(places))
            if any(found.get(place) != proved.hashes[path] for place, path in places.items()):
                self._hash([name])
        return is_owned

    def _find_strays(self) -> None:
        """Find unlisted files in the directories of distributions whose files were hashed.

        What other proved lists claim is no stray. The RECORDs of the others are read only
        where there is one, so that this stays independent of how much is installed.
        """
        found = []
        for state in self.distributions.values():
            if state.files and state.digest and not state.broken:
                root = self.table.roots.get(state.files.root)
                listed = root.hashes if root else ()
                strays, state.leftovers = find_strays(state.files, listed)
                if strays:
                    found.append((state, state.files, strays))
        if not found:
            return
        unproved = set(self._scan.names()) - {proved.name for proved in self.table.lists}
        claims = claimed_paths(unproved, self._scan)
        for state, files, strays in found:
            state.strays = unclaimed(strays, files, claims)
            state.owners = {
                path: claims[path] for path in (*state.strays, *strays) if path in claims
            }

    def _unlisted_names(self) -> frozenset[str]:
        """Return the top-level names of locked distributions that have no digest.

        Of an editable install only its entry points name any.
        """
        unpinned = {each.name for each in self._lock.distributions if not each.digests}
        names = {
            plugin.entry_point.partition(":")[0].partition(".")[0]
            for plugin in self._lock.plugins
            if plugin.distribution in unpinned
        }
        claims = claimed_paths(unpinned, self._scan)
        return frozenset(names | top_level_names(claims))

    def _host_origins(self, by_list: Collection[str]) -> dict[str, ModuleOrigin]:
        """Look where the hosts' own modules would be imported from, but for those by a list.

        A host that was locked with its bytes and is absent now is left out: that is drift.
        """
        host, origins = self._lock.host, {}
        # A directory of a locked package may be on the path. What is imported from there comes
        # from the lists, which in a child process are what is being proved here.
        search = [
            entry
            for entry in self._environment.path
            if not any(
                entry.startswith(f"{root}/") and files.is_directory(entry[len(root) + 1 :])
                for root, files in self.table.roots.items()
            )
        ]
        for role, package, module in (
            ("core", host.core, "coral_inference"),
            ("inference", host.inference, "inference"),
        ):
            name = package.distribution if package else ""
            locations = self._scan.locations(name) if package else ()
            if name in by_list or (name in self.distributions and not locations):
                continue
            if chain := import_chain(module, search=search, find=self._environment.find):
                place = chain[0].origin or "".join((chain[0].search or ("",))[:1])
                is_own = len(locations) == 1 and _is_of(
                    locations[0], module, os.path.abspath(place)
                )
                origins[role] = ModuleOrigin(
                    module=module, origin=place, own_file=None, is_own=place == "" or is_own
                )
        return origins

    def _unlocked(self) -> tuple[tuple[str, str], ...]:
        """Return name and place of each distribution outside the lock that declares plugins."""
        known = {plugin.distribution for plugin in self._lock.plugins}
        known.update(plugin.distribution for plugin in self._lock.excluded)
        return tuple(
            (name, location.path)
            for name in self._scan.names_that_may_declare_plugins()
            if name not in known
            for location in self._scan.locations(name)
            if _declares_plugins(location)
        )


def _is_of(location: Location, module: str, place: str) -> bool:
    """Whether a file is in a distribution's package, or in the project it is edited in."""
    if place.startswith(os.path.join(location.root, module) + os.sep):
        return True
    project = project_directory(location)
    return project is not None and os.path.realpath(place).startswith(project + os.sep)


def _declares_plugins(location: Location) -> bool:
    try:
        return bool(read_entry_points(location))
    except BrokenDistributionError:
        return True
