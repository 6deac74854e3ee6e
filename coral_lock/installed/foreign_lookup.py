"""Which files an import would load in another interpreter, told from directories alone.

This process's own import system isn't asked: neither its finders, nor what it has imported,
nor its `sys.path`.
"""

from __future__ import annotations

import os

from coral_lock.installed.module_lookup import FoundModule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

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
