"""Data files of locked packages, as `importlib.resources` hands them out."""

from __future__ import annotations

import io
import os
import pathlib
from importlib.readers import FileReader, NamespaceReader

from coral_lock.imports.finder import installed_imports
from coral_lock.imports.verified import read_listed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from typing import Any

    SystemPath = pathlib.Path
else:
    SystemPath = type(pathlib.Path())


class ListedPath(SystemPath):
    """A path whose reading methods return what was locked; others aren't verified."""

    __slots__ = ()

    def read_bytes(self) -> bytes:
        content = self._content()
        return super().read_bytes() if content is None else content

    def open(self, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        content = self._content() if set(mode) <= set("rbt") else None
        if content is None:
            return super().open(mode, *arguments, **options)
        if "b" in mode:
            return io.BytesIO(content)
        named = {**dict(zip(("buffering", "encoding", "errors", "newline"), arguments)), **options}
        named.pop("buffering", None)
        return io.TextIOWrapper(io.BytesIO(content), **named)

    def read_text(self, *arguments: Any, **options: Any) -> str:
        encoding = arguments[0] if arguments else options.pop("encoding", None)
        with self.open("r", -1, encoding, *arguments[1:], **options) as file:
            return str(file.read())

    def iterdir(self) -> Generator[ListedPath, None, None]:
        for path in super().iterdir():
            if _is_visible(str(path)):
                yield path

    def _content(self) -> bytes | None:
        for imports in installed_imports():
            return read_listed(imports, os.path.abspath(self))
        return None


def _is_visible(location: str) -> bool:
    """Whether a directory shows an entry: a listed one where it belongs to a locked package."""
    for imports in installed_imports():
        listed = imports.listed_file(location)
        if listed is not None:
            files, path = listed
            return (
                path in files.hashes
                or files.is_directory(path)
                or not files.is_owned(path.rpartition("/")[0])
            )
    return True


class ListedReader(FileReader):
    """The reader of a package's data (`importlib.resources.abc.TraversableResources`)."""

    def files(self) -> Any:
        return ListedPath(self.path)

    def resource_path(self, resource: Any) -> str:
        path = ListedPath(self.path) / resource
        path._content()
        return str(path)


def namespace_reader(portions: Iterable[str]) -> Any:
    """Return the reader of a namespace package's data."""
    reader: Any = NamespaceReader(portions)
    reader.path._paths = [ListedPath(path) for path in reader.path._paths]
    return reader
