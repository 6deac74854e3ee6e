"""Which files an import would load, in this interpreter or in another, without importing."""

from __future__ import annotations

import os
import sys

from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from importlib.machinery import ModuleSpec


if TYPE_CHECKING:
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


def module_origin(
    name: str, known: Known | None = None, find: Find = find_in_process
) -> str | None:
    """Return the file that `import name` would load, None where there is none."""
    chain = import_chain(name, known, find=find)
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


_EXTENSIONS = (".so", ".pyd")
_SOURCES = (".py", ".pyc")


class DirectoryFinder:
    """Finds modules as the path finder of an interpreter would, without that interpreter.

    In each directory, in order, a package goes before a module, an extension module before
    a source, and a source before bytecode without one; a directory that isn't a regular
    package is a portion of a namespace package (PEP 420). Archives, and finders that an
    interpreter adds while it starts, aren't looked into.

    Args:
        path: the directories in which top-level modules are looked for. Each directory is
            listed once.
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
        self._listings: dict[str, frozenset[str]] = {}

    def find(self, name: str, search: Sequence[str] | None) -> FoundModule | None:
        """Return the module, or None where there is none.

        Args:
            name: its full name.
            search: the directories of its parent package, None for a top-level module.
        """
        if search is None and name in self._built_in_modules:
            return FoundModule(name=name, origin=None, search=None)
        tail = name.rpartition(".")[2]
        portions: list[str] = []
        for directory in self._path if search is None else search:
            place = os.path.join(directory, tail)
            is_directory = tail in self._entries(directory) and os.path.isdir(place)
            origin = self._file(place, "__init__") if is_directory else None
            if origin is not None:
                return FoundModule(name=name, origin=origin, search=(place,))
            origin = self._file(directory, tail)
            if origin is not None:
                return FoundModule(name=name, origin=origin, search=None)
            if is_directory:
                portions.append(place)
        return FoundModule(name=name, origin=None, search=tuple(portions)) if portions else None

    def _file(self, directory: str, stem: str) -> str | None:
        """Return the file in a directory that holds the module `stem`."""
        entries = self._entries(directory)
        for ending in (*self._extensions(stem, entries), *_SOURCES):
            place = os.path.join(directory, stem + ending)
            if stem + ending in entries and os.path.isfile(place):
                return place
        return None

    def _extensions(self, stem: str, entries: Iterable[str]) -> Iterator[str]:
        if self._extension_suffixes is not None:
            yield from self._extension_suffixes
            return
        endings = sorted(entry[len(stem) :] for entry in entries if entry.startswith(f"{stem}."))
        for ending in endings:
            if ending.endswith(_EXTENSIONS) and ending.count(".") < 3:
                yield ending

    def _entries(self, directory: str) -> frozenset[str]:
        if directory not in self._listings:
            try:
                self._listings[directory] = frozenset(os.listdir(directory))
            except OSError:
                self._listings[directory] = frozenset()
        return self._listings[directory]
