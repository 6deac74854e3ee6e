"""Which files an import would load, in this interpreter or in another, without importing."""

from __future__ import annotations

import os
import sys

from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from importlib.machinery import FileFinder, ModuleSpec

    Known = dict[str, "FoundModule | None"]
    Find = Callable[[str, "Sequence[str] | None"], "FoundModule | None"]


class FoundModule(Record):
    """A module that an import would load.

    `origin` is its file, None for a namespace package; `search` are the directories in
    which its submodules are looked for, None for a module that is no package.
    """

    name: str
    origin: str | None
    search: tuple[str, ...] | None


def find_in_process(name: str, search: Sequence[str] | None) -> FoundModule | None:
    """Return the module that importing `name` would load in this process, or None.

    The finders on `sys.meta_path` are asked in their order, as the import system does
    (PEP 451), and nothing is run. What is imported already counts as it was loaded.

    Args:
        name: its full name.
        search: the directories of its parent package; for a top-level module the ones to
            look in, None for `sys.path`.
    """
    loaded = sys.modules.get(name)
    if loaded is not None:
        return _found(name, loaded.__spec__, search) if loaded.__spec__ else None
    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)
        if find_spec is None or getattr(finder, "is_coral_lock", False):
            continue
        try:
            spec = find_spec(name, search)
        except KeyError:
            # Only a namespace package within one makes the path finder want its parent.
            return FoundModule(name=name, origin=None, search=_namespace_places(name, search))
        if spec is not None:
            return _found(name, spec, search)
    return None


def import_chain(
    name: str,
    known: Known | None = None,
    search: Sequence[str] | None = None,
    find: Find = find_in_process,
) -> tuple[FoundModule, ...]:
    """Return the modules that `import name` would load, parents first.

    The chain ends where a module can't be found.

    Args:
        name: the module.
        known: what earlier calls have found, which this one uses and adds to; for calls
            between which nothing is imported.
        search: the directories to look in for a top-level module, by default those of the
            finder, which are `sys.path` in this process.
        find: finds one module, in this process by default.
    """
    known = {} if known is None else known
    chain: list[FoundModule] = []
    parts = name.split(".")
    for index in range(1, len(parts) + 1):
        partial = ".".join(parts[:index])
        if partial not in known:
            known[partial] = find(partial, chain[-1].search if chain else search)
        found = known[partial]
        if found is None:
            break
        chain.append(found)
        if found.search is None:
            break
    return tuple(chain)


def module_origin(name: str, find: Find = find_in_process) -> str | None:
    """Return the file that `import name` would load, None where there is none."""
    chain = import_chain(name, find=find)
    return chain[-1].origin if chain and chain[-1].name == name else None


def _found(name: str, spec: ModuleSpec, search: Sequence[str] | None) -> FoundModule:
    if spec.submodule_search_locations is None:
        places = None
    elif spec.origin is None or not spec.has_location:
        places = _namespace_places(name, search)
    else:
        places = tuple(spec.submodule_search_locations)
    return FoundModule(name=name, origin=spec.origin if spec.has_location else None, search=places)


def _namespace_places(name: str, search: Sequence[str] | None) -> tuple[str, ...]:
    """Return the portions of a namespace package (PEP 420).

    Its own search locations can't be asked: they want the parent to be imported. An entry
    that is no directory belongs to a path hook, which an editable install may bring along.
    """
    tail = name.rpartition(".")[2]
    places: list[str] = []
    for entry in sys.path if search is None else search:
        place = os.path.join(entry, tail)
        if os.path.isdir(place):
            places.append(place)
        elif not os.path.isdir(entry):
            finder = sys.path_importer_cache.get(entry)
            spec = finder.find_spec(name) if finder is not None else None
            places.extend((spec and spec.submodule_search_locations) or ())
    return tuple(places)


class DirectoryFinder:
    """Finds modules as the path finder of an interpreter would, without that interpreter.

    Archives, and finders that an interpreter adds while it starts, aren't looked into.

    Args:
        path: the directories in which top-level modules are looked for.
        built_in_modules: the modules that need no file, which go before all others.
        extension_suffixes: the endings of extension modules that the interpreter loads, the
            first one first; None where they aren't known and those of any will do.
    """

    def __init__(
        self,
        path: Iterable[str],
        built_in_modules: Collection[str] = (),
        extension_suffixes: Sequence[str] | None = None,
    ) -> None:
        self._path = tuple(map(os.path.abspath, path))
        self._built_in_modules = frozenset(built_in_modules)
        self._extension_suffixes = extension_suffixes
        self._finders: dict[str, FileFinder] = {}

    def find(self, name: str, search: Sequence[str] | None) -> FoundModule | None:
        """Return the module, or None where there is none.

        Args:
            name: its full name.
            search: the directories of its parent package, None for a top-level module.
        """
        if search is None and name in self._built_in_modules:
            return FoundModule(name=name, origin=None, search=None)
        portions: list[str] = []
        for directory in self._path if search is None else search:
            spec = self._finder(directory).find_spec(name.rpartition(".")[2])
            if spec is None:
                continue
            origin, places = spec.origin, spec.submodule_search_locations
            if spec.loader is None and places:
                # The suffix of an extension module `__init__` may be that of no other file.
                package = self._finder(places[0]).find_spec("__init__")
                if package is None or package.loader is None:
                    portions.extend(places)
                    continue
                origin = package.origin
            return FoundModule(
                name=name, origin=origin, search=None if places is None else tuple(places)
            )
        return FoundModule(name=name, origin=None, search=tuple(portions)) if portions else None

    def _finder(self, directory: str) -> FileFinder:
        from importlib import machinery

        if directory not in self._finders:
            self._finders[directory] = machinery.FileFinder(
                directory,
                (machinery.ExtensionFileLoader, self._suffixes_in(directory)),
                (machinery.SourceFileLoader, [".py"]),
                (machinery.SourcelessFileLoader, [".pyc"]),
            )
        return self._finders[directory]

    def _suffixes_in(self, directory: str) -> list[str]:
        """Return the endings of extension modules, by default of those in a directory."""
        if self._extension_suffixes is not None:
            return list(self._extension_suffixes)
        try:
            entries = os.listdir(directory)
        except OSError:
            return []
        endings = {entry[entry.find(".") :] for entry in entries if entry.endswith((".so", ".pyd"))}
        return sorted(ending for ending in endings if ending.count(".") < 3)
