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
from coral_lock.names import CORE_DISTRIBUTION, INFERENCE_DISTRIBUTIONS, requirement_name
from coral_lock.record import Record
from coral_lock.reserved import placed
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

    from coral_lock.installed.dist_info import Location
    from coral_lock.installed.files import FilesDigest, InstalledFiles
    from coral_lock.installed.import_lookup import Find
    from coral_lock.installed.site_scan import Scan
    from coral_lock.inventory import EntryPoint
    from coral_lock.lockfile.entries import LockedDistribution
    from coral_lock.lockfile.model import Lock
    from coral_lock.reserved import Placed
    from coral_lock.targets.machine import Machine
    from coral_lock.verification.origins import StartupFile

METADATA = "metadata"
IMPORTS = "imports"
FULL = "full"
INTEGRITY_LEVELS = (METADATA, IMPORTS, FULL)


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
    """What is seen of one distribution; `observe` fills it in, step by step.

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
        claimed: those of them that the RECORD of a distribution lists that nobody proved.
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
        self.claimed: tuple[str, ...] = ()

    def attempt(self, step: Callable[[Location], None]) -> bool:
        """Take a step with the one location; whether the distribution can be used so far."""
        if self.location is not None and self.broken is None and not self.editable:
            try:
                step(self.location)
            except BrokenDistributionError as error:
                self.broken = error
        return self.location is not None and self.broken is None and not self.editable

    def read_metadata(self, provides_plugins: bool) -> None:
        def step(location: Location) -> None:
            metadata, editable = read_metadata(location), is_editable(location)
            self.entry_points = read_entry_points(location) if provides_plugins else ()
            self.version, self.requires = metadata.version, metadata.requires
            self.editable = editable

        self.attempt(step)

    def check_files(self, is_image: bool) -> bool:
        """Read the RECORD, if that wasn't done, and refuse one that no installer writes."""

        def step(location: Location) -> None:
            files = self.files = self.files or read_files(location)
            if not self.is_checked:
                check_record(files, location)
                if is_image:
                    refuse_links(location, files)
                self.is_checked = True

        return self.attempt(step) and self.is_checked

    def prove(self, locked: LockedDistribution) -> None:
        """Read the RECORD, and take it for the list of the files if it has the lock's digest."""

        def step(location: Location) -> None:
            self.files = self.files or read_files(location)
            hashes = proved_hashes(self.files.recorded, locked.digests.values())
            if hashes is not None:
                self.take_list(locked, hashes)

        self.attempt(step)

    def prove_by_hashing(self, locked: LockedDistribution, digest: FilesDigest) -> None:
        """Take the hashes of the files themselves for the list if they have the lock's digest."""

        def step(location: Location) -> None:
            self.tag = read_wheel_tag(location)
            self.digest = digest
            if locked.digests.get(self.tag) == digest.digest:
                self.take_list(locked, digest.hashes)

        self.attempt(step)

    def take_list(self, locked: LockedDistribution, hashes: Mapping[str, str]) -> None:
        assert self.files is not None
        self.proved = ProvedList(
            name=self.name, root=self.files.root, hashes=hashes, requires=locked.requires
        )

    def hash_outside(self, locked: LockedDistribution) -> None:
        """Hash the scripts, headers and data, where the other files were hashed."""

        def step(location: Location) -> None:
            # Few distributions have such files, so that most starts don't pay for the import.
            from coral_lock.installed.outside import read_outside

            rows = self.files.outside if self.files else {}
            self.tag = self.tag or read_wheel_tag(location)
            self.outside = read_outside(location, rows, read_commands(location), self.name)

        if self.digest and self.files and (self.files.outside or locked.data_digests is not None):
            self.attempt(step)

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
        self.placed = placed(paths if is_named else (), outside)


class MachineState(Record):
    """All that a verification looks at.

    Args:
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
    """

    python: str
    integrity: str
    distributions: Mapping[str, InstalledState]
    hosts: Mapping[str, InstalledState]
    host_origins: Mapping[str, ModuleOrigin]
    entry_origins: Mapping[str, ModuleOrigin]
    root_origins: Mapping[str, tuple[ModuleOrigin, ...]]
    unlocked: tuple[tuple[str, str], ...]
    table: ImportTable
    unlisted: frozenset[str]
    unlocked_startup: tuple[StartupFile, ...]
    shadowing_scripts: Mapping[str, str]


def observe(
    lock: Lock, integrity: str, environment: Environment | None = None, *, is_start: bool = False
) -> MachineState:
    """Look at what is installed.

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

    Raises:
        UsageError: there is no such integrity level.
    """
    if integrity not in INTEGRITY_LEVELS:
        raise UsageError(
            f"an integrity level is one of {', '.join(INTEGRITY_LEVELS)}, not `{integrity}`"
        )
    environment = environment or own_environment()
    is_image, is_by_list = environment.is_image, is_start and integrity != METADATA
    scan = scan_path(environment.path)
    providers = set(lock.plugin_distributions())
    states: dict[str, InstalledState] = {}
    for locked in lock.distributions:
        state = _look_at(locked.name, scan, locked.name in providers)
        states[locked.name] = state
        if not locked.digests and locked.name in providers:
            state.lacking = _lacking(state, scan, lock)
    startup = startup_files(scan, environment)
    if integrity == METADATA:
        owners = [
            locked
            for locked in lock.distributions
            if startup and any(may_own(at, startup) for at in scan.locations(locked.name))
        ]
        _prove(owners, states, is_image)
        for name in providers:
            states[name].check_files(is_image)
    else:
        _prove(lock.distributions, states, is_image)
        _hash(states, providers if integrity == IMPORTS else states, is_image)
    unlocked_startup = _compare_startup(startup, states, environment)
    for locked in lock.distributions:
        state = states[locked.name]
        state.hash_outside(locked)
        state.place(locked.name in providers or not is_start)
    if not is_by_list:
        _find_strays(states, scan)
    proved = {name: state.proved for name, state in states.items() if state.proved}
    table = ImportTable(proved.values())
    files = {
        name: state.files
        for name, state in states.items()
        if state.files and state.is_checked and not is_by_list
    }
    origins = ModuleOrigins(files, environment.find)
    return MachineState(
        python=environment.python,
        integrity=integrity,
        distributions=states,
        hosts={
            name: states.get(name) or _look_at(name, scan, provides_plugins=False)
            for name in (CORE_DISTRIBUTION, *INFERENCE_DISTRIBUTIONS)
            if name in scan
        },
        host_origins=_host_origins(lock, scan, environment.find, proved if is_by_list else ()),
        entry_origins=listed_origins(lock, table) if is_by_list else origins.of_entry_points(lock),
        root_origins=origins.of_roots(),
        unlocked=_unlocked(lock, scan),
        table=table,
        unlisted=_unlisted_names(lock, scan) if is_by_list else frozenset(),
        unlocked_startup=unlocked_startup,
        shadowing_scripts=shadowing_scripts(environment),
    )


def _look_at(name: str, scan: Scan, provides_plugins: bool) -> InstalledState:
    state = InstalledState(name, scan.locations(name))
    state.read_metadata(provides_plugins)
    return state


def _lacking(state: InstalledState, scan: Scan, lock: Lock) -> tuple[str, ...]:
    """Return the requirements of which nothing is installed and the lock states no version.

    One with a marker (PEP 508) is left out: to evaluate it takes more than a start may import.
    """
    known = {package.distribution for package in lock.host.packages()}
    return tuple(
        text
        for text in state.requires
        if ";" not in text
        and (name := requirement_name(text))
        and name not in scan
        and name not in known
    )


def _prove(
    distributions: Iterable[LockedDistribution],
    states: Mapping[str, InstalledState],
    is_image: bool,
) -> None:
    """Prove the lists of files by the RECORDs, else by hashing what those list."""
    unproved = []
    for locked in distributions:
        state = states[locked.name]
        if locked.digests:
            state.prove(locked)
            if (is_image or not state.proved) and state.check_files(is_image) and not state.proved:
                unproved.append((state, locked))
    listed = [state.files for state, _ in unproved if state.files]
    for (state, locked), digest in zip(unproved, digest_files(listed)):
        state.prove_by_hashing(locked, digest)


def _hash(states: Mapping[str, InstalledState], names: Collection[str], is_image: bool) -> None:
    """Hash the files of proved distributions, and compare them with the lists.

    A file that several list is what one of them says.
    """
    chosen: list[tuple[InstalledState, InstalledFiles, ProvedList]] = []
    sizes: dict[str, int | None] = {}
    for name in sorted(names):
        state = states[name]
        if state.proved and not state.digest and state.check_files(is_image) and state.files:
            chosen.append((state, state.files, state.proved))
            for path in state.proved.hashes:
                sizes[state.files.locate(path)] = size_in(state.files.recorded.get(path, ""))
    found = hash_files(sizes)
    roots = ImportTable(each.proved for each in states.values() if each.proved).roots

    def compare(files: InstalledFiles, proved: ProvedList) -> FilesDigest:
        hashes, accepts = proved.hashes, roots[proved.root].accepts
        return compare_files(
            {path: files.locate(path) for path in hashes},
            found,
            lambda path, digest: hashes[path] if accepts(path, digest) else None,
        )

    for state, files, proved in chosen:
        state.digest = compare(files, proved)


def _compare_startup(
    files: Sequence[StartupFile], states: Mapping[str, InstalledState], environment: Environment
) -> tuple[StartupFile, ...]:
    """Compare the files that Python runs at every start with the proved lists.

    So are the modules that this process has loaded of the same distribution. Where one
    differs, all files of the distribution are hashed.

    Returns:
        Those that are in no list.
    """
    unlocked = []
    for file in files:
        is_owned = False
        for name, state in states.items():
            proved = state.proved
            paths = file.paths_in(proved.hashes) if proved and proved.root == file.root else []
            if proved is None or not paths:
                continue
            is_owned = True
            if environment.is_own:
                paths.extend(loaded_files(file.root).intersection(proved.hashes))
            places = {location_of(file.root, path): path for path in paths}
            found = hash_files(dict.fromkeys(places))
            if any(found.get(place) != proved.hashes[path] for place, path in places.items()):
                _hash(states, [name], environment.is_image)
        if not is_owned:
            unlocked.append(file)
    return tuple(unlocked)


def _find_strays(states: Mapping[str, InstalledState], scan: Scan) -> None:
    """Find unlisted files in the directories of distributions whose files were hashed.

    What other proved lists claim is no stray. The RECORDs of the others are read only
    where there is one, so that this stays independent of how much is installed.
    """
    proved: dict[str, set[str]] = {}
    for state in states.values():
        if state.proved:
            proved.setdefault(state.proved.root, set()).update(state.proved.hashes)
    claims: set[str] | None = None
    for state in states.values():
        if not state.files or not state.digest or state.broken:
            continue
        known = proved.get(state.files.root, ())
        strays = [path for path in find_strays(state.files) if path not in known]
        if strays and claims is None:
            claims = set()
            for name in scan.names():
                if name not in states or not states[name].proved:
                    claims |= claimed_paths(scan.locations(name))
        if strays:
            state.strays = unclaimed(strays, state.files, claims or ())
            state.claimed = tuple(sorted({*strays} - {*state.strays}))


def _unlisted_names(lock: Lock, scan: Scan) -> frozenset[str]:
    """Return the top-level names of locked distributions that have no digest.

    Of an editable install only its entry points name any.
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


def _host_origins(
    lock: Lock, scan: Scan, find: Find, by_list: Collection[str]
) -> dict[str, ModuleOrigin]:
    """Look where the hosts' own modules would be imported from, but for those by a list.

    A host that was locked with its bytes and is absent now is left out: that is drift.
    """
    locked = {distribution.name for distribution in lock.distributions}
    origins = {}
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
            is_own = len(locations) == 1 and _is_of(locations[0], module, os.path.abspath(place))
            origins[role] = ModuleOrigin(
                module=module, origin=place, own_file=None, is_own=place == "" or is_own
            )
    return origins


def _is_of(location: Location, module: str, place: str) -> bool:
    """Whether a file is in a distribution's package, or in the project it is edited in."""
    if place.startswith(os.path.join(location.root, module) + os.sep):
        return True
    project = project_directory(location)
    return project is not None and os.path.realpath(place).startswith(project + os.sep)


def _unlocked(lock: Lock, scan: Scan) -> tuple[tuple[str, str], ...]:
    """Return name and place of each distribution outside the lock that declares plugins."""
    known = {plugin.distribution for plugin in lock.plugins}
    known.update(plugin.distribution for plugin in lock.excluded)
    return tuple(
        (name, location.path)
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
