"""What tells a file from what it was, without reading it.

A file's identity is its device and inode, its size, and the times in nanoseconds at which
its bytes and its inode changed last. Whoever writes to a file or puts another in its place
changes it: the time of the bytes can be set back, and that of the inode can't, since
setting the former is itself a change of the inode.

Clocks are coarse, though. A file that is written twice within one of their ticks has one
identity before and after; so an identity counts between runs only where both times lay
well in the past before the file was read. Any later change then has a later time.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    FileIdentity: TypeAlias = tuple[int, int, int, int, int]

SETTLED_NANOSECONDS = 2_000_000_000
"""How old a change has to be; the coarsest clock, that of FAT, ticks every two seconds."""


def identity_of(status: os.stat_result) -> FileIdentity:
    """Return a file's identity: device, inode, size, and the times of bytes and inode."""
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def is_lasting(identity: FileIdentity, now: int) -> bool:
    """Whether an identity that was read at a time can stand for the bytes in a later run.

    Not on Windows, where the last of the times is that of the file's creation, and not on a
    file system without inodes.

    Args:
        identity: the file's.
        now: the time, in nanoseconds since the epoch, before the bytes were read.
    """
    _, inode, _, modified, changed = identity
    newest = max(modified, changed)
    return os.name != "nt" and inode != 0 and newest <= now - SETTLED_NANOSECONDS
