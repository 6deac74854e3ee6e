"""Finds modules where the lock says they are: first of all finders, and for each directory.

What the standard library's directories hold comes from there. A name that belongs to a locked
distribution comes from its listed files, or isn't found. Everything else is found as usual,
but never before these. Whatever else opens a listed file gets what was locked (PEP 578).
"""

from __future__ import annotations

import errno
import os
import sys
from _thread import get_ident
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    BuiltinImporter,
    ExtensionFileLoader,
    FileFinder,
    FrozenImporter,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)

from coral_lock.errors import ChangedFileError
from coral_lock.imports.hooks import ImportHooks, closed_entries, hide_unlocked, unwatch, watch
from coral_lock.imports.table import ImportTable
from coral_lock.safe_files import OWN_READ

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import ModuleType
    from typing import Any

    from coral_lock.finding import Finding
    from coral_lock.imports.table import ImportIndex, RootFiles
    from coral_lock.imports.verified import VerifiedFiles

_CACHE = "__pycache__"
_DISTUTILS = "distutils"
_MAX_PLACES = 1 << 14
_NO_READ = os.O_WRONLY | os.O_TRUNC | os.O_EXCL
_NATIVE = ("ctypes.dlopen", "import")
_OPENED = ("open", *_NATIVE, "os.exec", "os.posix_spawn", "sqlite3.connect", "subprocess.Popen")
"""The audit events of files that are read, loaded or run (PEP 578)."""
_FILE_LOADERS = (
    (ExtensionFileLoader, EXTENSION_SUFFIXES),
    (SourceFileLoader, SOURCE_SUFFIXES),
    (SourcelessFileLoader, BYTECODE_SUFFIXES),
)


def install_imports(
    index: ImportIndex,
    supply: Callable[[], ImportTable],
    *,
    on_mismatch: Callable[[Finding], None],
    bytecode_directory: str | None = None,
    closed: bool = False,
) -> LockedImports:
    """Put this process's imports under the lock; what was imported before stays as it is.

    Args:
        index: what belongs to the lock.
        supply: returns the proved lists; called once, before the first locked module is
            looked up, and never in a process that imports none.
        on_mismatch: called with the finding of each file that isn't what was locked, before the
            import fails: a program may swallow the error.
        bytecode_directory: what `verified.prepare_cache` returned; None to compile always.
        closed: whether distributions that aren't locked are hidden.
    """
    remove_imports()
    imports = LockedImports(index, supply, on_mismatch, bytecode_directory, closed)
    sys.meta_path[:0] = [imports.hooks, imports]
    sys.path_hooks.insert(0, imports.directory_finder)
    sys.path_importer_cache.clear()
    imports.hooks.after("pkgutil", imports.show_modules_to)
    watch(imports.opened, *_OPENED)
    if closed:
        hide_unlocked(imports)
    return imports


def remove_imports() -> None:
    """Restore the imports of this process; modules that were loaded stay."""
    for finder in installed_imports():
        sys.meta_path[:] = [each for each in sys.meta_path if each not in (finder, finder.hooks)]
        sys.path_hooks.remove(finder.directory_finder)
        sys.path_importer_cache.clear()
        unwatch(finder.opened)


def installed_imports() -> tuple[LockedImports, ...]:
    """Return the finder that holds imports under a lock in this process, or nothing."""
    return tuple(finder for finder in sys.meta_path if isinstance(finder, LockedImports))


class LockedImports:
    """The finder (PEP 451) that goes before all others; also a path hook (PEP 302).

    `findings` are the files that were refused so far.
    """

    is_coral_lock = True

    def __init__(
        self,
        index: ImportIndex,
        supply: Callable[[], ImportTable],
        on_mismatch: Callable[[Finding], None],
        bytecode_directory: str | None,
        closed: bool,
    ) -> None:
        self.index = index
        self.closed = closed
        self.findings: list[Finding] = []
        self.hooks = ImportHooks()
        self.library = standard_library()
        if closed:
            entries = index.closed_entries | closed_entries(self.library)
            self.index = index.replace(closed_entries=entries)
        self._supply = supply
        self._on_mismatch = on_mismatch
        self._bytecode_directory = bytecode_directory
        self._files: VerifiedFiles | None = None
        self._suppliers: set[int] = set()
        self._places: dict[str, tuple[str, str] | None] = {}
        self._spellings = {root: root for root in index.roots}
        for root in index.roots:
            self._spellings.setdefault(os.path.realpath(root), root)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module comes from, None where others are to look for it.

        Raises:
            ModuleNotFoundError: it belongs to the standard library or to a locked
                distribution, and isn't found; or it is a cache of bytecode, which no list
                covers.
        """
        if path is not None:
            spec = self._find_listed(name, path)
            is_missing = spec is None and self._is_foreign(name, path)
        else:
            # What a locked distribution adds to the path goes before what isn't locked.
            spec = self._find_in_library(name) or self._find_listed(name, sys.path)
            is_missing = spec is None and name in self.index.names
        if is_missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return spec

    def _is_foreign(self, name: str, path: Sequence[str]) -> bool:
        """Whether a name below a locked regular package would come from a place of others."""
        parent = sys.modules.get(name.rpartition(".")[0])
        if not getattr(getattr(parent, "__loader__", None), "is_locked_package", False):
            return False
        foreign = [entry for entry in path if not self._is_listed_place(entry)]
        return bool(foreign) and PathFinder.find_spec(name, foreign) is not None

    def _is_listed_place(self, entry: str) -> bool:
        """Whether an entry of a package's path is a directory, or a file, that is listed."""
        found = self.place_of(entry)
        if found is None:
            return False
        files = self.files().roots[found[0]]
        return files.is_directory(found[1]) or found[1] in files.hashes

    def _find_in_library(self, name: str) -> ModuleSpec | None:
        spec = None
        if name == _DISTUTILS:
            # Setuptools replaces it by its own, unless that is switched off.
            others = (each for each in sys.meta_path if each not in (self, PathFinder))
            found = (each.find_spec(name, None) for each in others if hasattr(each, "find_spec"))
            spec = next(filter(None, found), None)
        spec = spec or BuiltinImporter.find_spec(name) or FrozenImporter.find_spec(name)
        # A distributor may put other things there, such as a `sitecustomize`, and what is on
        # PYTHONPATH goes before those. `_sysconfigdata…` and its kind have no fixed names.
        if spec is None and (name in sys.stdlib_module_names or name.startswith("_")):
            spec = PathFinder.find_spec(name, self.library)
        if spec is not None and spec.loader is not None:
            return spec
        if name in sys.stdlib_module_names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None

    def _find_listed(self, name: str, path: Iterable[str]) -> ModuleSpec | None:
        tail = name.rpartition(".")[2]
        is_namespace = False
        for entry in path:
            found = self.place_of(entry)
            if found is None or (not found[1] and tail not in self.index.names):
                continue
            if tail == _CACHE:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            root, directory = found
            verified = self._files_for(root, directory, tail)
            files = verified.roots[root]
            module = files.module(directory, tail)
            if module is not None:
                return verified.spec(name, files, directory, entry, module)
            is_namespace |= files.is_directory(_joined(directory, tail))
        if not is_namespace:
            return None
        return self.files().namespace_spec(name, self._portions(name, path), self._renewed)

    def _files_for(self, root: str, directory: str, tail: str) -> VerifiedFiles:
        """Return the files that have a module: those that a process imports early, or all."""
        if self._files is None and self.index.early:
            from coral_lock.imports.verified import VerifiedFiles

            table = ImportTable(self.index.early)
            if root in table.roots and table.roots[root].module(directory, tail) is not None:
                return VerifiedFiles(self, table, self._bytecode_directory)
        return self.files()

    def _portions(self, name: str, path: Iterable[str]) -> list[str]:
        """Return the directories of a namespace package (PEP 420) that is partly locked.

        Portions that aren't locked belong to it as usual. The `__init__` of a regular package
        of that name, or a module, which elsewhere would go before it, is ignored.
        """
        tail = name.rpartition(".")[2]
        portions = []
        for entry in path:
            place = os.path.join(entry or os.getcwd(), tail)
            found = self.place_of(entry)
            if found is not None:
                root, directory = found
                files = self.files().roots[root]
                if files.is_directory(_joined(directory, tail)):
                    portions.append(place)
                    continue
                if files.is_owned(directory):
                    continue
            if not self.is_closed(entry) and os.path.isdir(place):
                portions.append(place)
        return portions

    def _renewed(self, name: str, path: Sequence[str]) -> ModuleSpec:
        """Return a namespace package's portions when the path above it has changed."""
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = self._portions(name, path)
        return spec

    def place_of(self, entry: object) -> tuple[str, str] | None:
        """Return the site root that a path is in and the path relative to it, with `/`.

        None if it is outside, or can't hold a locked file.
        """
        if not isinstance(entry, str):
            return None
        if entry in self._places:
            return self._places[entry]
        found = self._below_root(os.path.abspath(entry))
        if found is None and not entry.startswith(f"{self.library[0]}/"):
            found = self._below_root(os.path.realpath(entry))
        if os.path.isabs(entry):
            if len(self._places) >= _MAX_PLACES:
                self._places.clear()
            self._places[entry] = found
        return found

    def _below_root(self, path: str) -> tuple[str, str] | None:
        for spelling, root in self._spellings.items():
            if path == spelling:
                return root, ""
            if path.startswith(f"{spelling}/"):
                below = path[len(spelling) + 1 :]
                top = below.partition("/")[0]
                index = self.index
                may_hold = top in index.names or top in index.others or top == _CACHE
                return (root, below) if may_hold else None
        return None

    def is_closed(self, entry: str) -> bool:
        """Whether only listed files count in a directory of the path."""
        return self.closed and (
            entry in self.index.closed_entries
            or self._below_root(os.path.abspath(entry)) is not None
        )

    def files(self) -> VerifiedFiles:
        """Return the listed files, which are asked for now if they weren't yet."""
        if self._files is None:
            from coral_lock.imports.verified import VerifiedFiles

            self._suppliers.add(get_ident())
            try:
                self._files = VerifiedFiles(self, self._supply(), self._bytecode_directory)
            finally:
                self._suppliers.discard(get_ident())
        return self._files

    def slow_files(self) -> list[str]:
        """Return a sentence about each file whose hash took longer than a second."""
        return self._files.libraries.slow if self._files is not None else []

    def refuse(self, finding: Finding) -> ChangedFileError:
        """Remember a file that was refused and report it, each file once; return the error."""
        if not any(finding.where == known.where for known in self.findings):
            self.findings.append(finding)
            self._on_mismatch(finding)
        return ChangedFileError(finding)

    def invalidate_caches(self) -> None:
        """Forget where directories are (called by `importlib.invalidate_caches`)."""
        self._places.clear()

    def directory_finder(self, entry: str) -> LockedDirectory:
        """Return the finder of one directory of the path, if it holds locked files.

        Raises:
            ImportError: it doesn't, so other path hooks are to say what finds modules there.
        """
        found = self.place_of(entry)
        is_taken = found is not None or self.is_closed(entry)
        if not is_taken or not os.path.isdir(entry or os.curdir):
            raise ImportError("no locked directory", path=entry)
        return LockedDirectory(entry, self, found)

    def show_modules_to(self, pkgutil: ModuleType) -> None:
        """Let `pkgutil.iter_modules` list what this finds."""
        list_modules = pkgutil.iter_importer_modules
        list_directory = list_modules.dispatch(FileFinder)

        def iter_modules(finder: LockedDirectory, prefix: str = "") -> Iterator[tuple[str, bool]]:
            yield from finder.iter_modules(prefix)
            if not finder.is_exclusive:
                yield from (
                    (name, is_package)
                    for name, is_package in list_directory(finder, prefix)
                    if not finder.is_taken(name[len(prefix) :])
                )

        list_modules.register(LockedDirectory, iter_modules)

    def opened(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Compare a listed file that is about to be read, loaded or run.

        Args:
            event: one of `_OPENED`.
            arguments: those of the event.

        Raises:
            ChangedFileError: it isn't what was locked, or can't be read.
            FileNotFoundError: it is code in a locked package that isn't listed.
        """
        name = arguments[1 if event == "import" else 0]
        if event == "open":
            flags = arguments[2]
            if flags & _NO_READ or flags & OWN_READ == OWN_READ:
                return
        elif name is None:
            return
        if type(name) is not str:
            if not isinstance(name, (bytes, os.PathLike)):
                return
            name = os.fsdecode(name)
        directory, is_path, _ = name.rpartition("/")
        if "\0" in name or not (is_path or event == "open"):
            return
        if not name.startswith("/"):
            directory = os.path.join(os.getcwd(), directory)
        found = self.place_of(directory or "/")
        if found is None and os.path.islink(name):
            name = os.path.realpath(name)
            found = self.place_of(os.path.dirname(name))
        if found is not None:
            self._compare(event, *found, name)

    def _compare(self, event: str, root: str, directory: str, location: str) -> None:
        name = location[location.rfind("/") + 1 :]
        if self._files is None:
            index = self.index
            is_other = directory in ("", _CACHE) and not (
                name.partition(".")[0] in index.names or name in index.others
            )
            # What proves the lists is read before there are any, and `.pth` files by Python.
            if is_other or name.endswith(".pth") or get_ident() in self._suppliers:
                return
        verified = self.files()
        files, path = verified.roots[root], _joined(directory, name)
        if path in files.hashes:
            libraries = verified.libraries
            (libraries.check if event in _NATIVE else libraries.compare)(files, path, location)
        elif files.is_hidden(path):
            raise FileNotFoundError(errno.ENOENT, "the lock doesn't list this file", location)

    def listed_file(self, location: str) -> tuple[RootFiles, str] | None:
        """Return the site root of a file and its path there; None if it isn't in a locked place.

        It is listed if the root's `hashes` have it.
        """
        found = self.place_of(os.path.dirname(location))
        if found is None:
            return None
        return self.files().roots[found[0]], _joined(found[1], os.path.basename(location))


def _joined(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name


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
        is_owned = bool(self._directory) and self._listed().is_owned(self._directory)
        return self._imports.closed or is_owned

    def _listed(self) -> RootFiles:
        assert self._root is not None
        return self._imports.files().roots[self._root]

    def find_spec(self, name: str, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return a module's spec, None if it isn't here."""
        tail = name.rpartition(".")[2]
        if self._root is not None:
            spec = self._imports._find_listed(name, [self.path])
            if spec is not None:
                return spec
            if not self._directory and tail in self._imports.index.others:
                # A folder of data is a portion of a namespace package, as it is for Python.
                spec = ModuleSpec(name, None, is_package=True)
                spec.submodule_search_locations = [os.path.join(self.path, tail)]
                return spec if self._listed().is_directory(tail) else None
        # These are found as usual though the imports are closed.
        visible = () if self._directory else (*self._imports.index.unlisted, "coral_lock")
        if self.is_taken(tail) or (self.is_exclusive and tail not in visible):
            return None
        return super().find_spec(name, target)

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
            if tail in seen:
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
    platform = os.path.join(sys.base_exec_prefix, sys.platlibdir, version)
    places = dict.fromkeys(os.path.join(each, "lib-dynload") for each in (library, platform))
    return [library, *filter(os.path.isdir, places)]
