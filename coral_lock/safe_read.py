"""Reading files that may be hostile: regular files only, within a size, never blocking."""

from __future__ import annotations

import os
import stat

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


class NotRegularFileError(OSError):
    """The path leads to a directory, a pipe, a device or a socket."""

    def __init__(self) -> None:
        super().__init__("not a regular file")
        self.strerror = "not a regular file"


class FileTooLargeError(OSError):
    """The file is larger than what a reader is ready to take."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"{size} bytes, more than the {limit} allowed")
        self.strerror = str(self)


def open_regular_file(path: str) -> tuple[int, int]:
    """Open the regular file at `path` for reading; links are followed.

    Returns:
        A descriptor, and the file's size in bytes.

    Raises:
        NotRegularFileError: it is something else. A pipe doesn't block the caller.
        OSError: it can't be opened.
    """
    descriptor = os.open(path, _FLAGS)
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode):
        return descriptor, status.st_size
    os.close(descriptor)
    raise NotRegularFileError


def read_regular_file(path: str, limit: int) -> bytes:
    """Return the content of the regular file at `path`.

    Args:
        path: the file; links are followed.
        limit: the number of bytes that it may have at the most.

    Raises:
        NotRegularFileError: it is a directory, pipe, device or socket.
        FileTooLargeError: it has more than `limit` bytes.
        OSError: it can't be opened or read.
    """
    descriptor, size = open_regular_file(path)
    try:
        if size > limit:
            raise FileTooLargeError(size, limit)
        content = os.read(descriptor, size + 1)
        if len(content) == size:
            return content
        while chunk := os.read(descriptor, 1 << 20):
            content += chunk
            if len(content) > limit:
                raise FileTooLargeError(len(content), limit)
        return content
    finally:
        os.close(descriptor)
