"""The directories of the path: what is found in each, and which belong to locked distributions."""

from __future__ import annotations

import os
import sys
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)

from coral_lock.names import normalized_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    from coral_lock.imports.finder import LockedImports
    from coral_lock.imports.table import RootFiles

_OWN_NAME = "coral-lock"
_FILE_LOADERS = (
    (ExtensionFileLoader, EXTENSION_SUFFIXES),
    (SourceFileLoader, SOURCE_SUFFIXES),
    (SourcelessFileLoader, BYTECODE_SUFFIXES),
)


class LockedDirectory(FileFinder):
    """Finds modules in one directory of the path (a path entry finder, PEP 302).

    Where the directory belongs to a package of the lock, only what is listed is there. A
    site root, or a directory that distributions share, may hold other things as well.
    `pkg_resources` takes it for the kind of finder that it knows.
    """

    def __init__(self, path: str, imports: LockedImports, place: tuple[str, str] | None) -> None:
        super().__init__(path, *_FILE_LOADERS)
        self._imports = imports
        self._root = place[0] if place else None
        self._directory = place[1] if place else ""

    @property
    def is_exclusive(self) -> bool:
        """Whether nothing is found here but what is listed."""
        if self._imports.closed:
            return True
        return bool(self._directory) and self._listed().is_owned(self._directory)

    def _listed(self) -> RootFiles:
        assert self._root is not None
        return self._imports.files().roots[self._root]

    def find_spec(self, name: str, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return a module's spec, None if it isn't here."""
        if self._root is not None:
            spec = self._imports._find_listed(name, [self.path])
            if spec is not None:
                return spec
        tail = name.rpartition(".")[2]
        if self.is_taken(tail) or (self.is_exclusive and not self._is_visible(tail)):
            return None
        return super().find_spec(name, target)

    def _is_visible(self, tail: str) -> bool:
        """Whether a name is found as ever though the imports are closed."""
        return not self._directory and (
            tail in self._imports.index.unlisted or tail == __name__.partition(".")[0]
        )

    def is_taken(self, tail: str) -> bool:
        """Whether a name belongs to locked files, here or in another site root."""
        if not self._directory:
            return tail in self._imports.index.names
        files = self._listed()
        return files.module(self._directory, tail) is not None or files.is_directory(
            f"{self._directory}/{tail}"
        )

    def iter_modules(self, prefix: str = "") -> Iterator[tuple[str, bool]]:
        """Yield the names of the listed modules here, and whether they are packages."""
        if self._root is None:
            return
        files = self._listed()
        seen = {"__init__"}
        for child in files.children(self._directory):
            tail = child.partition(".")[0]
            if tail in seen or not tail.isidentifier():
                continue
            seen.add(tail)
            module = files.module(self._directory, tail)
            if module is not None:
                yield prefix + tail, module[2]


def standard_library() -> list[str]:
    """Return the directories of this interpreter's standard library.

    `sys.path` isn't asked: a directory on PYTHONPATH may have any name.
    """
    library = os.path.dirname(os.__file__)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    candidates = (
        os.path.join(library, "lib-dynload"),
        os.path.join(sys.base_exec_prefix, sys.platlibdir, version, "lib-dynload"),
        os.path.join(sys.base_prefix, "DLLs"),
    )
    found = [library]
    found.extend(path for path in candidates if path not in found and os.path.isdir(path))
    return found


def closed_entries(library: Sequence[str] | None = None) -> frozenset[str]:
    """Return the directories of the path in which distributions are installed.

    Those are what `site` added behind the standard library, and any that holds metadata.
    The others are the program's own.
    """
    library = standard_library() if library is None else library
    is_behind, entries = False, []
    for entry in sys.path:
        if entry in library:
            is_behind = True
        elif is_behind or _holds_metadata(entry):
            entries.append(entry)
    return frozenset(entries)


def _holds_metadata(directory: str) -> bool:
    try:
        names = os.listdir(directory or os.curdir)
    except OSError:
        return False
    return any(name.endswith((".dist-info", ".egg-info")) for name in names)


def hide_unlocked(imports: LockedImports) -> None:
    """Let nobody find a distribution that isn't locked from now on.

    Finders and path hooks that such a distribution has installed, as editable installs do,
    are taken away.
    """
    sys.meta_path[:] = [each for each in sys.meta_path if not _is_foreign(each, imports)]
    sys.path_hooks[:] = [each for each in sys.path_hooks if not _is_foreign(each, imports)]
    sys.path_importer_cache.clear()

    def is_locked(directory_name: str) -> bool:
        name = normalized_name(directory_name.rpartition(".")[0].partition("-")[0])
        return name == _OWN_NAME or name in imports.index.distributions

    def hide_from_metadata(module: ModuleType) -> None:
        finder = module.MetadataPathFinder
        find = finder.find_distributions

        def find_distributions(*arguments: Any, **options: Any) -> Iterator[Any]:
            return (each for each in find(*arguments, **options) if is_locked(each._path.name))

        finder.find_distributions = staticmethod(find_distributions)

    def hide_from_working_set(module: ModuleType) -> None:
        locked = (*imports.index.distributions, _OWN_NAME)
        working_set = module.working_set
        for key in [key for key in working_set.by_key if normalized_name(key) not in locked]:
            del working_set.by_key[key]
            for keys in working_set.entry_keys.values():
                if key in keys:
                    keys.remove(key)

        def find_on_path(*arguments: Any, **options: Any) -> Iterable[Any]:
            return (
                each
                for each in module.find_on_path(*arguments, **options)
                if normalized_name(each.key) in locked
            )

        module.register_finder(LockedDirectory, find_on_path)

    imports.after_import("importlib.metadata", hide_from_metadata)
    imports.after_import("importlib_metadata", hide_from_metadata)
    imports.after_import("pkg_resources", hide_from_working_set)


def _is_foreign(hook: object, imports: LockedImports) -> bool:
    """Whether a finder or a path hook comes from a file that only an unlocked distribution has."""
    owner = getattr(hook, "__module__", None) or type(hook).__module__
    location = getattr(sys.modules.get(owner), "__file__", None)
    if location is None or owner.partition(".")[0] == __name__.partition(".")[0]:
        return False
    listed = imports.listed_file(location)
    if listed is not None:
        return listed[1] not in listed[0].hashes
    return imports.is_closed(os.path.dirname(location))
