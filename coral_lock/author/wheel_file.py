"""Reading single files out of a wheel that may be hostile, within bounds.

The format is that of the binary distribution format specification; a wheel is a ZIP file.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib

from coral_lock.errors import InputError
from coral_lock.installed.dist_info import MAX_METADATA_BYTES
from coral_lock.safe_read import open_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

MAX_WHEEL_BYTES = 4 << 30
MAX_DIRECTORY_BYTES = 16 << 20
"""How long the list of a wheel's files may be: about 150,000 files."""

_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_ZIP64_SIGNATURE = b"PK\x06\x07"
_ZIP64_LOCATOR_BYTES = 20
_LONGEST_COMMENT = 1 << 16
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    NotImplementedError,
    LookupError,
    OverflowError,
)
"""What `zipfile` raises on broken and hostile files."""


class WheelFile:
    """An open wheel; a context manager that closes it.

    Args:
        path: its file.

    Raises:
        InputError: it isn't there, isn't a ZIP file, or is larger than a wheel may be.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            descriptor, size = open_regular_file(path)
        except FileNotFoundError:
            raise InputError("there is no wheel", where=path) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"the wheel can't be read: {reason}", where=path) from None
        self._file = os.fdopen(descriptor, "rb")
        try:
            if size > MAX_WHEEL_BYTES:
                raise self._refusal(f"it is larger than {MAX_WHEEL_BYTES >> 30} GiB")
            self._refuse_long_directory(size)
            self._archive = zipfile.ZipFile(self._file)
            self._names = self._archive.namelist()
        except _ERRORS as error:
            self._file.close()
            raise self._refusal(f"it isn't a ZIP file: {error}") from None
        except BaseException:
            self._file.close()
            raise

    @property
    def archive(self) -> zipfile.ZipFile:
        """The open archive, its list of files within bounds."""
        return self._archive

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def read(self, name: str, limit: int) -> bytes | None:
        """Return the content of a file by its path in the wheel, or None where there is none.

        What `*.data/purelib` and `*.data/platlib` hold counts as lying under the site root.

        Raises:
            InputError: it is larger than `limit` bytes, is there twice, or is broken.
        """
        found = [member for member in self._names if _site_path(member) == name]
        if not found:
            return None
        if len(found) > 1:
            raise self._refusal(f"`{name}` is in it {len(found)} times")
        try:
            information = self._archive.getinfo(found[0])
            if information.compress_type not in _METHODS:
                raise self._refusal(f"`{name}` is compressed in a way that wheels aren't")
            with self._archive.open(information) as member:
                content = member.read(limit + 1)
        except _ERRORS as error:
            raise self._refusal(f"`{name}` in it is broken: {error}") from None
        if len(content) > limit:
            raise self._refusal(f"`{name}` in it is larger than {limit} bytes")
        return content

    def read_metadata(self, name: str) -> str | None:
        """Return a text file of the wheel's `dist-info` directory, or None where there is none.

        Raises:
            InputError: there isn't just one such directory, or as `read`.
        """
        directories = {
            member.partition("/")[0] for member in self._names if ".dist-info/" in member
        }
        directories = {found for found in directories if found.endswith(".dist-info")}
        if len(directories) != 1:
            raise self._refusal(f"it has {len(directories)} `dist-info` directories, not one")
        content = self.read(f"{directories.pop()}/{name}", MAX_METADATA_BYTES)
        try:
            return None if content is None else content.decode("utf-8")
        except UnicodeDecodeError:
            raise self._refusal(f"`{name}` in it isn't UTF-8") from None

    def _refuse_long_directory(self, size: int) -> None:
        """Refuse a list of files that would fill the memory: `zipfile` reads all of it."""
        tail_size = min(size, _END.size + _LONGEST_COMMENT + _ZIP64_LOCATOR_BYTES)
        self._file.seek(size - tail_size)
        tail = self._file.read(tail_size)
        start = len(tail) - _END.size
        if tail[start : start + 4] != _END_SIGNATURE or tail[-2:] != b"\0\0":
            start = tail.rfind(_END_SIGNATURE)
        if start < 0 or len(tail) - start < _END.size:
            raise self._refusal("it isn't a ZIP file")
        length = _END.unpack_from(tail, start)[5]
        locator = tail[max(start - _ZIP64_LOCATOR_BYTES, 0) : start]
        if length > MAX_DIRECTORY_BYTES or locator.startswith(_ZIP64_SIGNATURE):
            raise self._refusal(f"its list of files is longer than {MAX_DIRECTORY_BYTES >> 20} MiB")

    def _refusal(self, reason: str) -> InputError:
        return InputError(f"the wheel can't be used: {reason}", where=self._path)


def _site_path(member: str) -> str:
    """Return where a wheel's member comes to lie under the site root."""
    top, _, rest = member.partition("/")
    if top.endswith(".data"):
        scheme, _, path = rest.partition("/")
        if scheme in ("purelib", "platlib"):
            return path
    return member
