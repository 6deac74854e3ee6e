"""The listed files: read once, compared with their hash, and run as they were read.

Bytecode is kept by the hash of its source, in a directory that only this user can write to. A
`__pycache__` beside verified sources proves nothing: a forged `.pyc` with the source's time and
size runs under every default of the interpreter. Here an entry is found by what the source is, so
neither another lock nor equal times and sizes bring old code back.
"""

from __future__ import annotations

import _imp
import errno
import hashlib
import marshal
import os
import stat
import sys
import time
from importlib._bootstrap_external import MAGIC_NUMBER
from importlib.machinery import (
    ExtensionFileLoader,
    ModuleSpec,
    SourceFileLoader,
    SourcelessFileLoader,
)

from coral_lock.errors import InputError
from coral_lock.imports.libraries import Libraries
from coral_lock.imports.table import (
    BYTECODE,
    EXTENSION,
    SOURCE,
    RootFiles,
    location_of,
)
from coral_lock.safe_files import is_private, open_regular_file, read_regular_file

if sys.version_info >= (3, 11):
    from importlib.machinery import NamespaceLoader
else:
    from importlib._bootstrap_external import _NamespaceLoader as NamespaceLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from importlib.abc import FileLoader
    from types import CodeType, ModuleType
    from typing import Any

    from coral_lock.imports.finder import LockedImports
    from coral_lock.imports.table import ImportTable
else:
    FileLoader = object

_MAX_SOURCE_BYTES = 1 << 26

_HEADER = b"coral-lock 1\n"
_HASH_DIGITS = 64
_MAX_AGE = 90 * 86_400
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def prepare_cache(state_directory: str) -> str:
    """Make the bytecode cache in a state directory, with mode 0700, and return its path.

    Raises:
        InputError: others can write to the cache or to the state directory.
        OSError: there is none, so every start compiles; `strerror` says why.
    """
    state = os.path.abspath(state_directory)
    cache = os.path.join(state, "bytecode")
    try:
        for directory in (state, cache):
            os.makedirs(directory, mode=0o700, exist_ok=True)
            _refuse_shared(directory)
        if not os.access(cache, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise OSError(error.errno, f"`{cache}` can't be used: {error.strerror}") from None
    return cache


def _refuse_shared(directory: str) -> None:
    status = os.stat(directory)
    if not is_private(status):
        hint = "name a directory of your own with `--state-dir DIR`"
        if status.st_uid == os.geteuid() and not status.st_mode & stat.S_ISVTX:
            hint = f"run `chmod -R go-w {directory}`, or {hint}"
        raise InputError(
            "others can write to the bytecode cache, so it can't be trusted",
            expected="a directory of this user's, mode 0700",
            found=f"mode {stat.S_IMODE(status.st_mode):04o}, owner {status.st_uid}",
            where=directory,
            hint=hint,
        )


class BytecodeCache:
    """The bytecode of one interpreter, by the SHA-256 of the source.

    Args:
        directory: what `prepare_cache` returned, or None to compile everything.
    """

    def __init__(self, directory: str | None) -> None:
        self._directory = directory
        self._is_swept = False
        tag = sys.implementation.cache_tag or sys.implementation.name
        magic = int.from_bytes(MAGIC_NUMBER[:2], "little")
        self._suffix = f".{tag}-{magic}-{sys.flags.optimize}"

    def load(self, digest: str, path: str) -> CodeType | None:
        """Return the code of the source with that hash, as if it had been compiled from `path`.

        None if the entry is absent or damaged.
        """
        if self._directory is None:
            return None
        place = f"{self._directory}/{digest}{self._suffix}"
        try:
            with open_regular_file(place) as (descriptor, size):
                content = os.read(descriptor, size)
                if time.time() - os.fstat(descriptor).st_mtime > _MAX_AGE / 3:
                    os.utime(place)
            header = _header(digest, size - _HEADER_BYTES)
            if size <= _HEADER_BYTES or content[:_HEADER_BYTES] != header:
                return None
            code: CodeType = marshal.loads(memoryview(content)[_HEADER_BYTES:])
        except (OSError, EOFError, TypeError, ValueError):
            return None
        # Equal sources share an entry, so it may have the name of another file.
        _imp._fix_co_filename(code, path)  # type: ignore[attr-defined]
        return code

    def store(self, digest: str, code: CodeType) -> None:
        """Keep the code of the source with that hash; one that can't be kept is no error."""
        if self._directory is None:
            return
        place = f"{self._directory}/{digest}{self._suffix}"
        temporary = f"{place}.{os.getpid()}"
        if not self._is_swept:
            self._is_swept = True
            _sweep(self._directory)
        content = marshal.dumps(code)
        try:
            descriptor = os.open(temporary, _NEW, 0o600)
            try:
                with open(descriptor, "wb", buffering=0) as file:
                    file.write(_header(digest, len(content)) + content)
                os.replace(temporary, place)
            except OSError:
                os.unlink(temporary)
        except OSError:
            return


def _header(digest: str, size: int) -> bytes:
    return b"%s%s\n%20d\n" % (_HEADER, digest.encode("ascii"), size)


_HEADER_BYTES = len(_header("0" * _HASH_DIGITS, 0))


def _sweep(cache: str) -> None:
    """Remove the entries that haven't been used for months."""
    try:
        with os.scandir(cache) as found:
            for file in found:
                age = time.time() - file.stat(follow_symlinks=False).st_mtime
                if age > _MAX_AGE and _is_entry(file):
                    os.unlink(file.path)
    except OSError:
        return


def _is_entry(file: os.DirEntry[str]) -> bool:
    """Whether a file is an entry of the cache, or what a writer left that was interrupted."""
    digest, _, rest = file.name.partition(".")
    if len(digest) != _HASH_DIGITS or set(digest) - set("0123456789abcdef") or rest.count("-") < 2:
        return False
    if not file.is_file(follow_symlinks=False):
        return False
    with open(file.path, "rb", buffering=0) as opened:
        return opened.read(len(_HEADER)) in (_HEADER, b"")


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
        # The table may have another spelling of a root than the index.
        known = {os.path.realpath(root): files for root, files in table.roots.items()}
        self.roots = dict(table.roots)
        for root in imports.index.roots:
            self.roots.setdefault(root, known.get(os.path.realpath(root)) or RootFiles(root, ()))
        self.bytecode = BytecodeCache(bytecode_directory)
        self.libraries = Libraries(table, self.roots, imports.refuse, bytecode_directory)

    def spec(
        self,
        name: str,
        files: RootFiles,
        directory: str,
        entry: str,
        module: tuple[str, int, bool],
    ) -> ModuleSpec:
        """Return the spec of the module that `RootFiles.module` found in a directory.

        Args:
            name: its full name.
            files: the site root's files.
            directory: its directory there.
            entry: the same directory, as the path names it.
            module: what was found.
        """
        path, kind, is_package = module
        self.libraries.check_owners(files, path)
        place = entry if os.path.isabs(entry) else os.path.abspath(entry)
        location = location_of(place.rstrip("/"), path[len(directory) + bool(directory) :])
        loader = _LOADERS[kind](name, location, self, files, path)
        loader.is_locked_package = is_package
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

    def read(self, files: RootFiles, path: str, location: str) -> tuple[bytes, str]:
        """Return the source of a listed module and its SHA-256, once it is what was locked.

        Args:
            files: the files of its site root.
            path: the file among them.
            location: where it is.

        Raises:
            ChangedFileError: they aren't, or the file can't be read.
        """
        try:
            content = read_regular_file(location, _MAX_SOURCE_BYTES)
        except OSError as error:
            finding = files.mismatch(path, location, None, error.strerror)
            raise self.imports.refuse(finding) from None
        digest = hashlib.sha256(content).hexdigest()
        if not files.accepts(path, digest):
            raise self.imports.refuse(files.mismatch(path, location, digest))
        return content, digest


class _Listed(FileLoader):
    """What the loaders of listed files have in common."""

    is_locked_package = False

    def __init__(
        self, name: str, path: str, verified: VerifiedFiles, files: RootFiles, listed: str
    ) -> None:
        super().__init__(name, path)
        self._verified = verified
        self._files = files
        self._listed = listed


class _SourceLoader(_Listed, SourceFileLoader):  # type: ignore[misc]
    def get_code(self, fullname: str) -> CodeType | None:
        content, digest = self._verified.read(self._files, self._listed, self.path)
        code = self._verified.bytecode.load(digest, self.path)
        if code is None:
            code = self.source_to_code(content, self.path)
            self._verified.bytecode.store(digest, code)
        return code


class _BytecodeLoader(_Listed, SourcelessFileLoader):
    pass


class _ExtensionLoader(_Listed, ExtensionFileLoader):
    pass


_LOADERS: dict[int, Any] = {
    EXTENSION: _ExtensionLoader,
    SOURCE: _SourceLoader,
    BYTECODE: _BytecodeLoader,
}


class _NamespaceLoader(NamespaceLoader):
    _path: Iterable[str]

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = None
