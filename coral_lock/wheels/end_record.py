"""Where a wheel's directory lies: the records at the end of a ZIP file.

The format is that of PKWARE's APPNOTE, sections 4.3.14 to 4.3.16. Readers differ in how
they look for the end record and in what they do with bytes that no record accounts for, so
such bytes are refused.
"""

from __future__ import annotations

from struct import Struct

from coral_lock.record import Record
from coral_lock.wheels.refusal import malformed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.wheels.source import WheelSource

MAX_DIRECTORY_BYTES = 16 << 20
"""How long the list of a wheel's files may be: about 150,000 files."""

MAX_MEMBERS = 100_000

_END = Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_LOCATOR = Struct("<4sLQL")
_LOCATOR_SIGNATURE = b"PK\x06\x07"
_LARGE_END = Struct("<4sQ4x2L4Q")
_LARGE_END_SIGNATURE = b"PK\x06\x06"
_LARGE_END_REST = _LARGE_END.size - 12
_LONGEST_COMMENT = (1 << 16) - 1
_SATURATED = {2: 0xFFFF, 4: 0xFFFFFFFF}


class Directory(Record):
    """Where the list of a wheel's members lies, and how many there are."""

    offset: int
    size: int
    count: int


def find_directory(source: WheelSource) -> Directory:
    """Return where the directory of a wheel lies.

    Raises:
        BrokenDistributionError: it isn't a ZIP file, is longer or has more members than a
            wheel may have, or holds bytes that none of its records accounts for.
    """
    tail_size = min(source.size, _END.size + _LOCATOR.size + _LARGE_END.size)
    tail = source.read(source.size - tail_size, tail_size)
    if tail[-_END.size :][:4] != _END_SIGNATURE or len(tail) < _END.size:
        raise _no_end_record(source)
    _, disk, first_disk, here, count, size, offset, comment = _END.unpack(tail[-_END.size :])
    if comment:
        raise malformed(source.path, "the wheel ends before its comment does")
    end = source.size - _END.size
    locator = tail[: -_END.size][-_LOCATOR.size :]
    if locator[:4] == _LOCATOR_SIGNATURE:
        stated = (disk, first_disk, here, count, size, offset)
        end, disk, first_disk, here, count, size, offset = _large_end(source, tail, stated)
    if disk or first_disk or here != count:
        raise malformed(source.path, "the wheel is a part of a ZIP file in several files")
    if size > MAX_DIRECTORY_BYTES:
        limit = MAX_DIRECTORY_BYTES >> 20
        raise malformed(source.path, f"the wheel's list of files is longer than {limit} MiB")
    if count > MAX_MEMBERS:
        raise malformed(source.path, f"the wheel has more than {MAX_MEMBERS} members")
    if offset + size != end:
        raise malformed(
            source.path, "the wheel's list of files doesn't lie where its end record says"
        )
    return Directory(offset=offset, size=size, count=count)


def _no_end_record(source: WheelSource) -> Exception:
    searched = min(source.size, _END.size + _LONGEST_COMMENT)
    if searched >= _END.size and _END_SIGNATURE in source.read(source.size - searched, searched):
        return malformed(source.path, "the wheel has a comment or data behind its end record")
    return malformed(source.path, "the wheel isn't a ZIP file")


def _large_end(
    source: WheelSource, tail: bytes, stated: tuple[int, int, int, int, int, int]
) -> tuple[int, int, int, int, int, int, int]:
    """Return where the ZIP64 end record lies, and what it states in the place of `stated`."""
    start = source.size - _END.size - _LOCATOR.size - _LARGE_END.size
    records = tail[: -_END.size]
    _, locator_disk, large_end, disks = _LOCATOR.unpack(records[-_LOCATOR.size :])
    large = records[: -_LOCATOR.size]
    if (
        start != large_end
        or large[:4] != _LARGE_END_SIGNATURE
        or locator_disk
        or disks != 1
        or int.from_bytes(large[4:12], "little") != _LARGE_END_REST
    ):
        raise malformed(source.path, "the wheel's ZIP64 end record isn't where it should be")
    _, _, disk, first_disk, here, count, size, offset = _LARGE_END.unpack(large)
    values = (disk, first_disk, here, count, size, offset)
    for value, other, width in zip(values, stated, (2, 2, 2, 2, 4, 4)):
        if other not in (value, _SATURATED[width]):
            raise malformed(source.path, "the wheel's two end records disagree")
    return (start, *values)
