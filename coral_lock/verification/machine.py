"""Looking at this machine: what is installed of what a lock names, as plain data.

Nothing is imported and no code of a plugin runs; `verification` judges what is seen.
"""

from __future__ import annotations

import os
import sys

from coral_lock.errors import BrokenDistributionError, UsageError
from coral_lock.installed.dist_info import (
    is_editable,
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
    unclaimed,
)
from coral_lock.installed.module_lookup import is_source_of, module_origin
from coral_lock.installed.site_scan import scan_path
from coral_lock.names import CORE_DISTRIBUTION, INFERENCE_DISTRIBUTIONS
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from importlib.machinery import ModuleSpec

    from coral_lock.installed.dist_info import Location
    from coral_lock.installed.site_scan import Scan
    from coral_lock.inventory import EntryPoint
    from coral_lock.lockfile.model import Lock

METADATA = "metadata"
PLUGINS = "plugins"
FULL = "full"
INTEGRITY_LEVELS = (METADATA, PLUGINS, FULL)


class InstalledState(Record):
    """What is seen of one distribution that the lock names.

    `locations` is empty where it isn't installed. `broken` is why its metadata can't be
    used. `tag`, `files` and `strays` are None where the bytes weren't asked for.
    """

    locations: tuple[str, ...] = ()
    version: str | None = None
    editable: bool = False
    entry_points: tuple[EntryPoint, ...] = ()
    tag: str | None = None
    files: FilesDigest | None = None
    strays: tuple[str, ...] | None = None
    broken: BrokenDistributionError | None = None


class TargetState(Record):
    """Where a plugin's module would be imported from.

    `origin` is the file that would be loaded, or None, and `own_file` the path of the
    distribution's own file for that module, or None. `is_own` says that they are the same.
    """

    module: str
    origin: str | None
    own_file: str | None
    is_own: bool


class UnlockedDistribution(Record):
    """A distribution outside the lock that declares plugins."""

    name: str
    location: str


class MachineState(Record):
    """All that a verification looks at.

    `targets` holds, per plugin id, the modules of its distribution that matter: the entry
    point's and the distribution's other top-level ones.
    """

    python: str
    distributions: Mapping[str, InstalledState]
    hosts: Mapping[str, InstalledState]
    targets: Mapping[str, tuple[TargetState, ...]]
    unlocked: tuple[UnlockedDistribution, ...]


def observe(lock: Lock, integrity: str, path: Sequence[str] | None = None) -> MachineState:
    """Look at what is installed for this interpreter.

    Args:
        lock: what to look for.
        integrity: `metadata` reads no file of a distribution but its metadata, `plugins`
            hashes those that provide plugins, `full` hashes all that are locked.
        path: the directories to look in, `sys.path` by default.

    Raises:
        UsageError: there is no such integrity level.
    """
    if integrity not in INTEGRITY_LEVELS:
        raise UsageError(
            f"an integrity level is one of {', '.join(INTEGRITY_LEVELS)}, not `{integrity}`"
        )
    scan = scan_path(sys.path if path is None else path)
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
        if name in to_list and _is_usable(states[name]):
            _list(scan.locations(name)[0], name, name in hashed, states, listed)
    _hash([name for name in listed if name in hashed], states, listed)
    _settle_strays(states, listed, scan, hashed)
    hosts = {
        name: states.get(name) or _look_at(scan.locations(name), False)
        for name in (CORE_DISTRIBUTION, *INFERENCE_DISTRIBUTIONS)
        if name in scan
    }
    return MachineState(
        python=f"{sys.version_info[0]}.{sys.version_info[1]}",
        distributions=states,
        hosts=hosts,
        targets=_targets(lock, listed),
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
        return InstalledState(
            locations=places,
            version=read_metadata(location).version,
            editable=is_editable(location),
            entry_points=read_entry_points(location) if provides_plugins else (),
        )
    except BrokenDistributionError as error:
        return InstalledState(locations=places, broken=error)


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
    claims = {name: claimed_paths(scan.locations(name)) for name in scan.names()}
    for name, state in sorted(states.items()):
        if state.strays:
            others = [other for other in claims if other != name]
            verified = {path for other in others if other in hashed for path in claims[other]}
            stated = {path for other in others if other not in hashed for path in claims[other]}
            states[name] = state.replace(
                strays=unclaimed(state.strays, listed[name], verified, stated)
            )


def _targets(
    lock: Lock, listed: Mapping[str, InstalledFiles]
) -> dict[str, tuple[TargetState, ...]]:
    targets: dict[str, tuple[TargetState, ...]] = {}
    known: dict[str, ModuleSpec | None] = {}
    seen: dict[tuple[str, str], TargetState] = {}
    for plugin in lock.plugins:
        files = listed.get(plugin.distribution)
        if files is None:
            continue
        states = []
        for module in sorted({plugin.entry_point.partition(":")[0], *_top_modules(files)}):
            key = (plugin.distribution, module)
            if key not in seen:
                seen[key] = _target(module, files, known)
            states.append(seen[key])
        targets[plugin.id] = tuple(states)
    return targets


def _top_modules(files: InstalledFiles) -> set[str]:
    """Return the names of a distribution's regular top-level packages and modules."""
    names: set[str] = set()
    for path in files.recorded:
        first, _, rest = path.partition("/")
        if rest == "__init__.py":
            names.add(first)
        elif not rest and first.endswith((".py", ".so")):
            names.add(first.partition(".")[0])
    return names


def _target(module: str, files: InstalledFiles, known: dict[str, ModuleSpec | None]) -> TargetState:
    origin = module_origin(module, known)
    own_files = sorted(path for path in files.recorded if is_source_of(module, path))
    own_file = own_files[0] if own_files else None
    is_own = origin is not None and any(
        os.path.abspath(origin) == os.path.normpath(files.locate(path)) for path in own_files
    )
    return TargetState(module=module, origin=origin, own_file=own_file, is_own=is_own)


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
