"""The bytes of a wheel's file, read at any place, by several threads if need be."""

from __future__ import annotations

import os

from coral_lock.safe_read import open_regular_file
from coral_lock.wheels.identity import identity_of
from coral_lock.wheels.refusal import malformed

MAX_WHEEL_BYTES = 4 << 30

_KEPT_BYTES = 1 << 17
"""Up to this size a file is read at once: a wheel's structure takes many small reads."""


class WheelSource:
    """An open file that may be a wheel.

    Args:
        path: its file.

    Raises:
        BrokenDistributionError: it can't be opened, or is larger than a wheel may be.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self.descriptor, self.size = open_regular_file(path)
            self.identity = identity_of(os.fstat(self.descriptor))
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise malformed(path, f"the wheel can't be read: {reason}") from None
        if self.size > MAX_WHEEL_BYTES:
            self.close()
            raise malformed(path, f"the wheel is larger than {MAX_WHEEL_BYTES >> 30} GiB")
        self._kept = b""
        if self.size <= _KEPT_BYTES:
            self._kept = self.read(0, self.size)

    def close(self) -> None:
        """Close the file; what is read from then on is refused."""
        descriptor, self.descriptor = self.descriptor, -1
        os.close(descriptor)

    def read(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from `offset` on, or fewer where the file ends.

        Raises:
            BrokenDistributionError: the file can't be read.
        """
        if self._kept:
            return self._kept[offset : offset + size]
        try:
            content = os.pread(self.descriptor, size, offset)
            while len(content) < size:
                more = os.pread(self.descriptor, size - len(content), offset + len(content))
                if not more:
                    break
                content += more
        except OSError as error:
            raise malformed(self.path, f"the wheel can't be read: {error.strerror}") from None
        return content
