"""The list of a wheel's members: the central directory of a ZIP file.

The format is that of PKWARE's APPNOTE, section 4.3.12.
"""

from __future__ import annotations

import stat
from struct import Struct
from typing import NamedTuple

from coral_lock.wheels.end_record import find_directory
from coral_lock.wheels.extra_field import resolve_sizes
from coral_lock.wheels.refusal import malformed, malformed_member, printed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.wheels.source import WheelSource

MAX_UNPACKED_BYTES = 8 << 30
STORED, DEFLATED = 0, 8
HAS_DESCRIPTOR = 0x8
MAX_FORMAT_VERSION = 63
"""The latest version of the format that `zipfile`, pip and uv read, in tenths."""

_HEADER = Struct("<4s2xBxHH4xLLLHHHH2xLL")
_SIGNATURE = b"PK\x01\x02"
_ENCRYPTED, _UTF8, _DEFLATE_LEVEL = 0x1, 0x800, 0x6
_USUAL_FLAGS = (0, _UTF8)
_KIND_SHIFT = 28
_USUAL_KINDS = (0, stat.S_IFREG >> 12)
_KNOWN_FLAGS = HAS_DESCRIPTOR | _UTF8 | _DEFLATE_LEVEL


class Header(NamedTuple):
    """A member as the directory states it; a bare tuple, as wheels have thousands.

    Args:
        offset: where the member's own header lies.
        name: its name, in UTF-8; that of a directory ends with a slash.
        flags: the general purpose bit flag.
        method: how it is compressed.
        checksum: its CRC-32.
        packed_size: how many bytes it takes in the wheel.
        size: how many bytes it has when it is unpacked.
        repeated: the bytes of the fields that its own header repeats.
    """

    offset: int
    name: bytes
    flags: int
    method: int
    checksum: int
    packed_size: int
    size: int
    repeated: bytes


def read_headers(source: WheelSource) -> tuple[list[Header], int]:
    """Return the members that a wheel's directory lists, and where the directory begins.

    Raises:
        BrokenDistributionError: it isn't a sound ZIP file, a member is encrypted, isn't a
            regular file or is compressed in an unusual way, or there is more than a wheel
            may have.
    """
    directory = find_directory(source)
    content = source.read(directory.offset, directory.size)
    headers: list[Header] = []
    total = position = 0
    for _ in range(directory.count):
        header, position = _read_header(source, content, position)
        total += header.size
        headers.append(header)
    if position != len(content):
        raise malformed(source.path, "the wheel's list of files is longer than it should be")
    if total > MAX_UNPACKED_BYTES:
        limit = MAX_UNPACKED_BYTES >> 30
        raise malformed(source.path, f"the wheel unpacks to more than {limit} GiB")
    return headers, directory.offset


def _read_header(source: WheelSource, content: bytes, position: int) -> tuple[Header, int]:
    """Return the header at a position, and the position behind it."""
    name_start = position + _HEADER.size
    if name_start > len(content):
        raise malformed(source.path, "the wheel's list of files is shorter than it should be")
    (
        signature, version, flags, method, checksum, packed_size, size,
        name_length, extra_length, comment_length, disk, attributes, offset,
    ) = _HEADER.unpack_from(content, position)  # fmt: skip
    name_end = name_start + name_length
    end = name_end + extra_length + comment_length
    name = content[name_start:name_end]
    if signature != _SIGNATURE or not name or end > len(content):
        raise malformed(source.path, "the wheel's list of files is broken")
    try:
        if extra_length:
            extra = content[name_end : name_end + extra_length]
            size, packed_size, offset = resolve_sizes(extra, (size, packed_size, offset))
    except ValueError as error:
        raise malformed_member(source.path, printed(name), str(error)) from None
    repeated = content[position + 6 : position + 30]
    header = Header(offset, name, flags, method, checksum, packed_size, size, repeated)
    # Most members are told to be sound at a glance, and wheels have thousands.
    is_usual = (
        (method == DEFLATED or size == packed_size)
        and flags in _USUAL_FLAGS
        and version <= MAX_FORMAT_VERSION
        and attributes >> _KIND_SHIFT in _USUAL_KINDS
        and name[-1:] != b"/"
        and not (method & ~DEFLATED or comment_length or disk)
        and name.isascii()
    )
    what = None if is_usual else _fault(header, version, attributes, comment_length or disk)
    if what:
        raise malformed_member(source.path, printed(name), what)
    return header, end


def too_new(version: int) -> str | None:
    """Return what is wrong with the version of the format that a header says is needed, or None.

    The version is the header's low byte; the other one means nothing (APPNOTE, section 4.4.3).
    """
    if version <= MAX_FORMAT_VERSION:
        return None
    latest = MAX_FORMAT_VERSION / 10
    return f"needs version {version / 10} of the ZIP format; installers read up to {latest}"


def _fault(header: Header, version: int, attributes: int, oddity: int) -> str | None:
    """Return what a wheel's member can't be, or None."""
    name, flags = header.name, header.flags
    if what := too_new(version):
        return what
    if flags & _ENCRYPTED:
        return "is encrypted"
    if flags & ~_KNOWN_FLAGS or oddity:
        return "uses a feature of ZIP files that wheels don't"
    if header.method not in (STORED, DEFLATED):
        return "is compressed in a way that wheels aren't"
    if header.method == STORED and header.size != header.packed_size:
        return "isn't compressed, and has two sizes"
    if not flags & _UTF8 and not name.isascii():
        return "has a name of which nobody says how it is encoded"
    is_directory = name.endswith(b"/")
    kind = stat.S_IFMT(attributes >> 16)
    if kind not in (0, stat.S_IFDIR if is_directory else stat.S_IFREG):
        return "isn't a regular file"
    if is_directory and header.packed_size:
        return "is a directory, and holds data"
    return None
