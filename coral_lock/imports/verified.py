"""The listed files: read once, compared with their hash, and run as they were read."""

from __future__ import annotations

import hashlib
import os
import sys
from importlib.machinery import (
    ExtensionFileLoader,
    ModuleSpec,
    SourceFileLoader,
    SourcelessFileLoader,
)

from coral_lock.errors import ChangedFileError
from coral_lock.finding import ERROR, Finding
from coral_lock.imports.bytecode import BytecodeCache
from coral_lock.imports.libraries import Libraries
from coral_lock.imports.table import (
    BYTECODE,
    EXTENSION,
    SOURCE,
    RootFiles,
    location_of,
)
from coral_lock.safe_files import read_regular_file

if sys.version_info >= (3, 11):
    from importlib.machinery import NamespaceLoader
else:
    from importlib._bootstrap_external import _NamespaceLoader as NamespaceLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from importlib.abc import FileLoader
    from importlib.readers import FileReader
    from types import CodeType, ModuleType
    from typing import Any

    from coral_lock.imports.finder import LockedImports
    from coral_lock.imports.table import ImportTable
else:
    FileLoader = object

_MAX_DATA_BYTES = 1 << 31
_MAX_SOURCE_BYTES = 1 << 26


class VerifiedFiles:
    """The files of a table, which are compared when they are used.

    Args:
        imports: the finder to which files that differ are reported.
        table: the proved lists.
        bytecode_directory: what `prepare_cache` returned.
    """

    def __init__(
        self, imports: LockedImports, table: ImportTable, bytecode_directory: str | None
    ) -> None:
        self.imports = imports
        self.roots = dict(table.roots)
        for root in imports.index.roots:
            if root not in self.roots:
                self.roots[root] = _same_root(root, table) or RootFiles(root, ())
        self.bytecode = BytecodeCache(bytecode_directory)
        self.libraries = Libraries(table, self.roots, self._refusal, bytecode_directory)

    def spec(
        self,
        name: str,
        files: RootFiles,
        directory: str,
        entry: str,
        module: tuple[str, int, bool],
    ) -> ModuleSpec:
        """Return the spec of a listed module that was found in a directory of the path.

        Args:
            name: its full name.
            files: the site root's files.
            directory: its directory there.
            entry: the same directory, as the path names it.
            module: what `RootFiles.module` returned.
        """
        path, kind, is_package = module
        place = entry if os.path.isabs(entry) else os.path.abspath(entry)
        location = location_of(place.rstrip(os.sep), path[len(directory) + bool(directory) :])
        loader = _LOADERS[kind](name, location, self, files, path)
        spec = ModuleSpec(name, loader, origin=location, is_package=is_package)
        spec.has_location = True
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(os.path.dirname(location))
        return spec

    def namespace_spec(
        self,
        name: str,
        portions: Sequence[str],
        renew: Callable[[str, tuple[str, ...]], ModuleSpec],
    ) -> ModuleSpec:
        """Return the spec of a namespace package; `renew` is asked when the path changes."""
        loader: Any = _NamespaceLoader(name, list(portions), renew)
        spec = ModuleSpec(name, loader, is_package=True)
        spec.submodule_search_locations = loader._path
        return spec

    def read(
        self, files: RootFiles, path: str, location: str, limit: int = _MAX_DATA_BYTES
    ) -> tuple[bytes, str]:
        """Return the bytes of a listed file and their SHA-256, once they are what was locked.

        Args:
            files: the files of its site root.
            path: the file among them.
            location: where it is.
            limit: the number of bytes that it may have at the most.

        Raises:
            ChangedFileError: they aren't, or the file can't be read.
        """
        try:
            content = read_regular_file(location, limit)
        except OSError as error:
            raise self._refusal(files, path, location, None, error.strerror) from None
        digest = hashlib.sha256(content).hexdigest()
        if not files.accepts(path, digest):
            raise self._refusal(files, path, location, digest)
        return content, digest

    def _refusal(
        self,
        files: RootFiles,
        path: str,
        location: str,
        digest: str | None,
        reason: str | None = None,
    ) -> ChangedFileError:
        """Report a file and return the error that says so."""
        owners = [proved.name for proved in files.lists if path in proved.hashes]
        allowed = files.hashes[path]
        is_missing = digest is None
        finding = Finding(
            code="file-missing" if is_missing else "digest-mismatch",
            severity=ERROR,
            subject=owners[0],
            summary=f"`{path}` of `{owners[0]}` is missing or unreadable"
            if is_missing
            else f"`{path}` of `{owners[0]}` isn't the file that was locked",
            expected="sha256 " + (allowed if isinstance(allowed, str) else " or ".join(allowed)),
            found=f"sha256 {digest}" if digest else reason or "nothing",
            where=location,
            hint=f"reinstall `{owners[0]}` from a wheel you trust",
        )
        self.imports.report(finding)
        return ChangedFileError(finding)


def _same_root(root: str, table: ImportTable) -> RootFiles | None:
    """Return the files of a site root that a table knows by another spelling."""
    place = os.path.realpath(root)
    for other, files in table.roots.items():
        if os.path.realpath(other) == place:
            return files
    return None


class _Listed(FileLoader):
    """What the loaders of listed files have in common."""

    def __init__(
        self, name: str, path: str, verified: VerifiedFiles, files: RootFiles, listed: str
    ) -> None:
        super().__init__(name, path)
        self._verified = verified
        self._files = files
        self._listed = listed

    def get_data(self, path: str) -> bytes:
        """Return the content of a file: what was locked, where its directory is a locked one.

        Raises:
            ChangedFileError: it isn't what was locked.
            OSError: it isn't listed, or can't be read.
        """
        content = read_listed(self._verified.imports, os.fspath(path))
        return super().get_data(path) if content is None else content

    def get_resource_reader(self, name: str | None = None) -> FileReader:
        from coral_lock.imports.resources import ListedReader

        return ListedReader(self)


class _SourceLoader(_Listed, SourceFileLoader):  # type: ignore[misc]
    def get_code(self, fullname: str) -> CodeType | None:
        content, digest = self._verified.read(
            self._files, self._listed, self.path, _MAX_SOURCE_BYTES
        )
        code = self._verified.bytecode.load(digest, self.path)
        if code is None:
            code = self.source_to_code(content, self.path)
            self._verified.bytecode.store(digest, code)
        return code


class _BytecodeLoader(_Listed, SourcelessFileLoader):
    pass


class _ExtensionLoader(_Listed, ExtensionFileLoader):
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        self._verified.libraries.check(self._files, self._listed, self.path)
        return super().create_module(spec)


_LOADERS: dict[int, Any] = {
    EXTENSION: _ExtensionLoader,
    SOURCE: _SourceLoader,
    BYTECODE: _BytecodeLoader,
}


class _NamespaceLoader(NamespaceLoader):
    _path: Iterable[str]

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = None

    def get_resource_reader(self, module: Any) -> Any:
        from coral_lock.imports.resources import namespace_reader

        return namespace_reader(self._path)


def read_listed(imports: LockedImports, location: str) -> bytes | None:
    """Return the content of a listed file, None for one that the lock says nothing of.

    Raises:
        ChangedFileError: it isn't what was locked.
        FileNotFoundError: it is in a locked package and isn't listed.
    """
    listed = imports.listed_file(location)
    if listed is None:
        return None
    files, path = listed
    if path in files.hashes:
        return imports.files().read(files, path, location)[0]
    if files.is_owned(path.rpartition("/")[0]):
        raise FileNotFoundError(2, "no file that was locked", location)
    return None
