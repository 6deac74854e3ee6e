"""Looking at a machine: what is installed of what a lock names, as plain data.

Nothing is imported and no code of a plugin runs; `verification` judges what is seen.
"""

from __future__ import annotations

import os
import sys

from coral_lock.errors import BrokenDistributionError, UsageError
from coral_lock.installed.dist_info import (
    is_editable,
    project_directory,
    read_entry_points,
    read_metadata,
    read_wheel_tag,
)
from coral_lock.installed.files import (
    FilesDigest,
    InstalledFiles,
    claimed_paths,
    digest_files,
    find_strays,
    list_files,
    refuse_links,
    unclaimed,
)
from coral_lock.installed.module_lookup import find_in_process, import_chain
from coral_lock.installed.site_scan import scan_path
from coral_lock.names import CORE_DISTRIBUTION, INFERENCE_DISTRIBUTIONS, normalized_name
from coral_lock.record import Record
from coral_lock.verification.targets import Targets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from coral_lock.installed.dist_info import Location
    from coral_lock.installed.module_lookup import Find
    from coral_lock.installed.site_scan import Scan
    from coral_lock.inventory import EntryPoint
    from coral_lock.lockfile.model import Lock
    from coral_lock.verification.subject import Subject
    from coral_lock.verification.targets import TargetState

METADATA = "metadata"
PLUGINS = "plugins"
FULL = "full"
INTEGRITY_LEVELS = (METADATA, PLUGINS, FULL)

_NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"


class InstalledState(Record):
    """What is seen of one distribution that the lock names.

    `locations` is empty where it isn't installed. `broken` is why its metadata can't be
    used. `lacking` are its requirements of which nothing is installed, where no digest
    pins its METADATA. `tag`, `files` and `strays` are None where the bytes weren't asked for.
    """

    locations: tuple[str, ...] = ()
    version: str | None = None
    requires: tuple[str, ...] = ()
    editable: bool = False
    entry_points: tuple[EntryPoint, ...] = ()
    lacking: tuple[str, ...] = ()
    tag: str | None = None
    files: FilesDigest | None = None
    strays: tuple[str, ...] | None = None
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
    by role, `core` or `inference`, for those that can be imported at all.
    """

    python: str
    distributions: Mapping[str, InstalledState]
    hosts: Mapping[str, InstalledState]
    host_modules: Mapping[str, HostModule]
    entry_targets: Mapping[str, TargetState]
    root_targets: Mapping[str, tuple[TargetState, ...]]
    unlocked: tuple[UnlockedDistribution, ...]


def observe(lock: Lock, integrity: str, subject: Subject | None = None) -> MachineState:
    """Look at what is installed.

    Args:
        lock: what to look for; the part of a lock with targets that is for the machine.
        integrity: `metadata` reads no file of a distribution but its metadata, `plugins`
            hashes those that provide plugins, `full` hashes all that are locked.
        subject: where to look, in this process's own environment by default.

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
    hashed = {
        METADATA: set[str](),
        PLUGINS: plugin_distributions,
        FULL: {distribution.name for distribution in lock.distributions},
    }[integrity]
    states: dict[str, InstalledState] = {}
    listed: dict[str, InstalledFiles] = {}
    to_list = plugin_distributions | hashed
    for distribution in lock.distributions:
        name = distribution.name
        states[name] = _look_at(scan.locations(name), name in plugin_distributions)
        if not distribution.digests and name in plugin_distributions:
            states[name] = _with_lacking(states[name], scan, lock)
        if name in to_list and _is_usable(states[name]):
            location = scan.locations(name)[0]
            _list(location, name, name in hashed, states, listed)
            if subject is not None and subject.is_image and name in listed:
                _refuse_links(location, name, states, listed)
    _hash([name for name in listed if name in hashed], states, listed)
    _settle_strays(states, listed, scan, hashed)
    targets = Targets(listed, find)
    hosts = {
        name: states.get(name) or _look_at(scan.locations(name), False)
        for name in (CORE_DISTRIBUTION, *INFERENCE_DISTRIBUTIONS)
        if name in scan
    }
    return MachineState(
        python=subject.python if subject else f"{sys.version_info[0]}.{sys.version_info[1]}",
        distributions=states,
        hosts=hosts,
        host_modules=_host_modules(lock, scan, find),
        entry_targets=targets.of_entry_points(lock),
        root_targets=targets.of_roots(),
        unlocked=_unlocked(lock, scan),
    )


def _is_usable(state: InstalledState) -> bool:
    return len(state.locations) == 1 and state.broken is None and not state.editable


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
        rest = text.lstrip(_NAME_CHARACTERS)
        name = normalized_name(text.removesuffix(rest))
        if name and ";" not in text and name not in scan and name not in told:
            lacking.append(text)
    return state.replace(lacking=tuple(lacking))


def _list(
    location: Location,
    name: str,
    is_hashed: bool,
    states: dict[str, InstalledState],
    listed: dict[str, InstalledFiles],
) -> None:
    """Add to `listed` the files of a distribution, and to its state the tag and the strays."""
    try:
        files = listed[name] = list_files(location)
        if is_hashed:
            states[name] = states[name].replace(
                tag=read_wheel_tag(location), strays=find_strays(files)
            )
    except BrokenDistributionError as error:
        states[name] = states[name].replace(broken=error)


def _refuse_links(
    location: Location,
    name: str,
    states: dict[str, InstalledState],
    listed: dict[str, InstalledFiles],
) -> None:
    try:
        refuse_links(location, listed[name])
    except BrokenDistributionError as error:
        states[name] = states[name].replace(broken=error)
        del listed[name]


def _hash(
    names: Sequence[str],
    states: dict[str, InstalledState],
    listed: Mapping[str, InstalledFiles],
) -> None:
    """Add to the states of distributions what hashing their files gives."""
    for name, digest in zip(names, digest_files([listed[name] for name in names])):
        states[name] = states[name].replace(files=digest)


def _settle_strays(
    states: dict[str, InstalledState],
    listed: Mapping[str, InstalledFiles],
    scan: Scan,
    hashed: Collection[str],
) -> None:
    """Take out of the strays what other distributions put there rightly.

    Only the RECORD of a distribution whose bytes are verified too is taken at its word.

    The other RECORDs are read only where there is a stray, so that a start stays
    independent of how much is installed.
    """
    if not any(state.strays for state in states.values()):
        return
    strays = {path for state in states.values() for path in state.strays or ()}
    verified: dict[str, list[str]] = {}
    stated: dict[str, list[str]] = {}
    for name in scan.names():
        claims = verified if name in hashed else stated
        for path in strays.intersection(claimed_paths(scan.locations(name))):
            # Two are enough to tell whether another than the one that is looked at claims it.
            names = claims.setdefault(path, [])
            if len(names) < 2:
                names.append(name)
    for name, state in sorted(states.items()):
        if state.strays:
            states[name] = state.replace(
                strays=unclaimed(
                    state.strays,
                    listed[name],
                    _claimed_by_others(name, state.strays, verified),
                    _claimed_by_others(name, state.strays, stated),
                )
            )


def _claimed_by_others(
    name: str, paths: Iterable[str], claims: Mapping[str, Sequence[str]]
) -> set[str]:
    return {path for path in paths if any(other != name for other in claims.get(path, ()))}


def _host_modules(lock: Lock, scan: Scan, find: Find) -> dict[str, HostModule]:
    """Look where the hosts' own modules would be imported from.

    A host that was locked with its bytes and is absent now is left out: that is drift.
    """
    locked = {distribution.name for distribution in lock.distributions}
    modules = {}
    for role, package, module in (
        ("core", lock.host.core, "coral_inference"),
        ("inference", lock.host.inference, "inference"),
    ):
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
