"""Which files would run: on imports, at the start of Python, and beside the commands."""

from __future__ import annotations

import os
import sys

from coral_lock.import_guard import STARTUP_MODULES
from coral_lock.imports.table import RootFiles, location_of
from coral_lock.installed.files import MAX_RECORD_BYTES
from coral_lock.installed.import_lookup import import_chain
from coral_lock.names import SITE_DIRECTORIES
from coral_lock.record import Record
from coral_lock.reserved import shadows
from coral_lock.safe_files import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from coral_lock.imports.table import ImportTable
    from coral_lock.installed.dist_info import Location
    from coral_lock.installed.files import InstalledFiles
    from coral_lock.installed.import_lookup import Known
    from coral_lock.installed.site_scan import Scan
    from coral_lock.lockfile.model import Lock
    from coral_lock.verification.machine import Environment

    Search = tuple[str, ...] | None

_IMPORTABLE = (".py", ".so", ".pyd", ".pyc")
_OWN = ("coral_lock.pth", "coral_lock.start")
"""What the wheel of coral-lock itself ships, which puts children under the lock."""


class ModuleOrigin(Record):
    """Where a module of a distribution would be imported from.

    Args:
        module: its full name.
        origin: the file that would be loaded, or None.
        own_file: the path of the distribution's own file for that module, or None.
        is_own: whether they are the same.
        intruder: the file of a parent package that would be run though nobody locked it.
    """

    module: str
    origin: str | None
    own_file: str | None
    is_own: bool
    intruder: str | None = None


class ModuleOrigins:
    """Looks up modules of locked distributions, each once.

    Args:
        listed: the files of the distributions that are looked at, by name.
        environment: where they are looked up. In a directory of its path that is below a site
            root, as a `.pth` adds some, a distribution's modules can be too.
    """

    def __init__(self, listed: Mapping[str, InstalledFiles], environment: Environment) -> None:
        self._listed = listed
        self._find = environment.find
        self._path = tuple(map(_place, environment.path))
        self._known: dict[Search, Known] = {}
        self._names = {name: _names(files, self._path) for name, files in listed.items()}
        self._sources = {name: _sources(names) for name, names in self._names.items()}
        self._locked = {
            place for files in listed.values() for place in _places(files, files.recorded)
        }
        self._origins: dict[tuple[str, str], ModuleOrigin] = {}

    def of_entry_points(self, lock: Lock) -> dict[str, ModuleOrigin]:
        """Return, by plugin id, where the module of its entry point would come from."""
        return {
            plugin.id: self._origin(plugin.entry_point.partition(":")[0], plugin.distribution)
            for plugin in lock.plugins
            if plugin.distribution in self._listed
        }

    def of_roots(self) -> dict[str, tuple[ModuleOrigin, ...]]:
        """Return, by distribution, where its topmost packages and modules would come from.

        So does what would be imported as one of its directories that are no packages. What can't
        be imported at all is left out, as an extension module for another interpreter is.
        """
        roots: dict[str, tuple[ModuleOrigin, ...]] = {}
        for name, files in self._listed.items():
            # What is behind it on the path is another package, as `tests` is of many.
            before = self._path[: self._path.index(_place(files.root)) + 1]
            modules, directories = _roots(self._names[name])
            origins = [self._origin(module, name) for module in modules]
            origins += [self._origin(each, name, before) for each in directories - modules]
            roots[name] = tuple(each for each in origins if each.intruder or self._is_odd(each))
        return roots

    def _is_odd(self, found: ModuleOrigin) -> bool:
        """Whether a module comes from an unlocked file, or from another's in place of its own.

        Below a site root, where the path leads later, another locked file of that name is fine.
        """
        is_in_root = (found.own_file or "").startswith(found.module.replace(".", "/"))
        return found.origin is not None and (
            _place(found.origin) not in self._locked or (is_in_root and not found.is_own)
        )

    def _origin(self, module: str, distribution: str, search: Search = None) -> ModuleOrigin:
        key = (distribution, module)
        if key not in self._origins:
            known = self._known.setdefault(search, {})
            chain = import_chain(module, known, search, find=self._find)
            origin = chain[-1].origin if chain and chain[-1].name == module else None
            own_files = sorted(self._sources[distribution].get(module.replace(".", "/"), ()))
            others = chain if origin is None else chain[:-1]
            parents = (each.origin for each in others if each.origin is not None)
            foreign = (each for each in parents if _place(each) not in self._locked)
            own_places = _places(self._listed[distribution], own_files)
            self._origins[key] = ModuleOrigin(
                module=module,
                origin=origin,
                own_file=own_files[0] if own_files else None,
                is_own=origin is not None and _place(origin) in own_places,
                intruder=next(foreign, None),
            )
        return self._origins[key]


def _places(files: InstalledFiles, paths: Iterable[str]) -> set[str]:
    """Return the absolute paths of some of a distribution's files."""
    root = _place(files.root)
    return {f"{root}/{path}" for path in paths}


def _place(path: str) -> str:
    return os.path.abspath(path).replace(os.sep, "/")


def listed_origins(lock: Lock, table: ImportTable) -> dict[str, ModuleOrigin]:
    """Return, by plugin id, where the proved lists say that its entry point's module comes from.

    Plugins of distributions without a proved list are left out.
    """
    lists = {proved.name: proved for proved in table.lists}
    origins = {}
    for plugin in lock.plugins:
        proved = lists.get(plugin.distribution)
        if proved is None:
            continue
        module = plugin.entry_point.partition(":")[0]
        directory, _, tail = module.replace(".", "/").rpartition("/")
        found = table.roots[proved.root].module(directory, tail)
        own = RootFiles(proved.root, [proved]).module(directory, tail)
        origins[plugin.id] = ModuleOrigin(
            module=module,
            origin=location_of(proved.root, found[0]) if found else None,
            own_file=own[0] if own else None,
            is_own=own is not None and own == found,
        )
    return origins


def _names(files: InstalledFiles, path: Iterable[str]) -> dict[str, str]:
    """Return the files by their paths from the entries of the path that are in the site root."""
    root = f"{_place(files.root)}/"
    below = [f"{place[len(root) :]}/" for place in path if place.startswith(root)]
    return {
        path[len(entry) :]: path
        for entry in (*below, "")
        for path in files.recorded
        if path.startswith(entry)
    }


def _sources(names: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the files that can hold each module, by its name with `/` for each dot."""
    sources: dict[str, list[str]] = {}
    for name, path in names.items():
        if name.endswith(_IMPORTABLE):
            directory, _, file = name.rpartition("/")
            stem = file.partition(".")[0]
            sources.setdefault(f"{directory}/{stem}" if directory else stem, []).append(path)
            if stem == "__init__" and directory:
                sources.setdefault(directory, []).append(path)
    return sources


def _roots(paths: Iterable[str]) -> tuple[set[str], set[str]]:
    """Return the topmost modules of a distribution, and its directories outside of packages.

    The modules are regular packages or files; in a namespace package that several distributions
    share, they are further down. They can have any name without a dot.
    """
    known = set(paths)
    modules: set[str] = set()
    directories: set[str] = set()
    for path in known:
        *parents, file = path.split("/")
        stem, roots = file.partition(".")[0], modules
        parts = [*parents, *([] if stem == "__init__" else [stem])]
        for depth in range(1, len(parents) + 1):
            if f"{'/'.join(parents[:depth])}/__init__.py" in known:
                parts = parents[:depth]
                break
        else:
            if not path.endswith(_IMPORTABLE):
                parts, roots = parents, directories
        if parts and all(part and "." not in part for part in parts):
            roots.add(".".join(parts))
    standard = sys.stdlib_module_names
    return modules, {each for each in directories if each.partition(".")[0] not in standard}


class StartupFile(Record):
    """A file, or a package, that Python runs at every start: its name in a site root."""

    root: str
    name: str

    @property
    def place(self) -> str:
        """Its absolute path."""
        return os.path.join(self.root, self.name)

    def paths_in(self, root: str, paths: Collection[str]) -> list[str]:
        """Return which of the paths in a site root it is; a package on PYTHONPATH is below one."""
        if not self.place.startswith(f"{root}/"):
            return []
        own = self.place[len(root) + 1 :]
        if own in paths:
            return [own]
        return [] if "." in self.name else [path for path in paths if path.startswith(f"{own}/")]


def startup_files(scan: Scan, environment: Environment) -> tuple[StartupFile, ...]:
    """Return the files that Python runs at every start, but for those of coral-lock.

    `site` looks for them in site directories, and for the two modules on all of the path. The
    standard library is the interpreter's business.

    Args:
        scan: what is on the path.
        environment: whose path it is.
    """
    library = os.path.dirname(os.path.abspath(os.__file__))
    return tuple(
        StartupFile(root=root, name=name)
        for root, name in scan.startup_files
        if name not in _OWN
        and root != library
        and (
            environment.is_image
            or os.path.basename(root) in SITE_DIRECTORIES
            or name.startswith(STARTUP_MODULES)
        )
    )


def may_own(location: Location, files: Sequence[StartupFile]) -> bool:
    """Whether a distribution's RECORD has a row for one of the files."""
    names = [file.name for file in files if file.place.startswith(f"{location.root}/")]
    if not names:
        return False
    try:
        record = read_regular_file(os.path.join(location.path, "RECORD"), MAX_RECORD_BYTES)
    except OSError:
        return False
    return any(name.encode("utf-8", "surrogateescape") in record for name in names)


def loaded_files(root: str) -> set[str]:
    """Return the files beneath a site root that modules of this process were loaded from.

    Their paths are relative to the root, with `/`.
    """
    prefix = os.path.join(root, "")
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return {
        file[len(prefix) :].replace(os.sep, "/")
        for file in files
        if isinstance(file, str) and file.startswith(prefix)
    }


def shadowing_scripts(environment: Environment) -> dict[str, str]:
    """Return, by name, the places of what is beside the commands and shadows modules for them."""
    directory = os.path.dirname(environment.executable or "")
    try:
        names = os.listdir(directory) if directory else []
    except OSError:
        return {}
    places = {name: os.path.join(directory, name) for name in sorted(names)}
    return {
        name: place
        for name, place in places.items()
        if shadows(f"scripts/{name}") or (shadows(f"scripts/{name}/") and os.path.isdir(place))
    }
