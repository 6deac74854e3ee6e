"""The members of a wheel, refused wherever two readers of ZIP files could disagree about them.

The standard library's `zipfile` reads the central directory, as it does for pip. It tolerates
much that other readers, like uv, refuse or read differently. Such files are refused here, so
that all readers find the same members in what is accepted (PKWARE, APPNOTE.TXT, section 4):

- the file ends with its end record, and a ZIP64 end record agrees with it;
- the members follow one another without gap or overlap, from the first byte to the central
  directory;
- the local header and the data descriptor of a member repeat what the directory states of it.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple

from coral_lock.errors import BrokenDistributionError, quoted
from coral_lock.safe_files import identity_of, open_regular_file

HINT = "rebuild the wheel with a sound build backend, or get it from a source you trust"


def malformed(path: str, message: str, hint: str = HINT) -> BrokenDistributionError:
    """Return the refusal of a wheel that violates its format as a whole."""
    return BrokenDistributionError(message, code="wheel-malformed", where=path, hint=hint)


def malformed_member(path: str, member: str, what: str) -> BrokenDistributionError:
    """Return the refusal of a wheel for one of its members; `what` is the predicate about it."""
    return malformed(path, f"the member {quoted(member)} {what}")


def unreadable(path: str, error: Exception) -> BrokenDistributionError:
    """Return the refusal of a wheel whose file can't be read."""
    reason = getattr(error, "strerror", None) or error
    hint = "make it readable, or remove it from the wheelhouse"
    return malformed(path, f"the wheel can't be read: {reason}", hint)


MAX_WHEEL_BYTES = 4 << 30


class WheelSource:
    """An open file that may be a wheel.

    Args:
        path: its file.

    Raises:
        BrokenDistributionError: it can't be opened, or is larger than 4 GiB.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            descriptor, self.size = open_regular_file(path)
        except (OSError, ValueError) as error:
            raise unreadable(path, error) from None
        self.file = os.fdopen(descriptor, "rb")
        self.identity = identity_of(os.fstat(descriptor))
        if self.size > MAX_WHEEL_BYTES:
            self.file.close()
            raise malformed(path, f"the wheel is larger than {MAX_WHEEL_BYTES >> 30} GiB")

    def read(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from `offset` on, or fewer at the end of the file.

        Raises:
            BrokenDistributionError: the file can't be read, or is closed.
        """
        try:
            self.file.seek(offset)
            return self.file.read(size)
        except (OSError, ValueError) as error:
            raise unreadable(self.path, error) from None


class Member(NamedTuple):
    """A member of a wheel; a bare tuple, as wheels have thousands.

    Args:
        name: its name in the wheel; that of a directory ends with a slash.
        size: its size in bytes when unpacked.
        checksum: the CRC-32 of these bytes.
        start: the offset of its data.
        packed_size: the size of its data.
        is_deflated: whether the data is compressed.
        site_path: the path under the site root at which it is installed; None for directories,
            scripts, headers and data, and until `layout` has set it.
    """

    name: str
    size: int
    checksum: int
    start: int
    packed_size: int
    is_deflated: bool
    site_path: str | None = None


def read_members(source: WheelSource) -> list[Member]:
    """Return the members of a wheel in file order, directories included.

    Raises:
        BrokenDistributionError: the wheel isn't a ZIP file that all readers understand alike,
            or exceeds the bounds.
    """
    directory_start, infos = _read_directory(source)
    infos.sort(key=lambda info: info.header_offset)
    ends = [*[info.header_offset for info in infos[1:]], directory_start]
    members: list[Member] = []
    position = 0
    for info, end in zip(infos, ends):
        if info.header_offset != position:
            overlaps = info.header_offset < position
            what = "overlaps the previous member" if overlaps else "is preceded by unlisted data"
            raise malformed_member(source.path, info.orig_filename, what)
        if fault := _fault(info):
            raise malformed_member(source.path, info.orig_filename, fault)
        start = _data_start(source, info)
        position = start + info.compress_size
        if info.flag_bits & _HAS_DESCRIPTOR:
            _check_descriptor(source, info, position, end)
            position = end
        is_deflated = info.compress_type == zipfile.ZIP_DEFLATED
        members.append(
            Member(
                info.orig_filename,
                info.file_size,
                info.CRC,
                start,
                info.compress_size,
                is_deflated,
            )
        )
    if position != directory_start:
        raise malformed(source.path, "the wheel has data between its members and their directory")
    return members


MAX_DIRECTORY_BYTES = 16 << 20
"""The largest central directory: about 150,000 members."""

MAX_MEMBERS = 100_000
MAX_UNPACKED_BYTES = 8 << 30

_END = Struct("<4s4H2LH")
_LOCATOR = Struct("<4sLQL")
_LARGE_END = Struct("<4sQ4x2L4Q")
_TAIL_BYTES = _LARGE_END.size + _LOCATOR.size + _END.size
_SATURATED = (0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
_UNKNOWN = 0xFFFFFFFF
"""In place of a value that only the ZIP64 records have room for."""


def _find_directory(source: WheelSource) -> tuple[int, int, int]:
    """Return offset, size and number of entries of the central directory."""
    tail = source.read(max(0, source.size - _TAIL_BYTES), _TAIL_BYTES).rjust(_TAIL_BYTES, b"\0")
    signature, *stated, comment = _END.unpack(tail[-_END.size :])
    if signature != b"PK\5\6" or comment:
        raise malformed(
            source.path,
            "the wheel isn't a ZIP file, is truncated, or has a comment or data after its end "
            "record",
        )
    end = source.size - _END.size
    signature, locator_disk, large_end, disks = _LOCATOR.unpack_from(tail, _LARGE_END.size)
    if signature == b"PK\6\7":
        end -= _LOCATOR.size + _LARGE_END.size
        signature, size, *large = _LARGE_END.unpack_from(tail)
        if (signature, size, locator_disk, large_end, disks) != (b"PK\6\6", 44, 0, end, 1):
            raise malformed(source.path, "the wheel's ZIP64 end record isn't where it should be")
        if any(old not in (new, full) for old, new, full in zip(stated, large, _SATURATED)):
            raise malformed(source.path, "the wheel's two end records disagree")
        stated = large
    disk, first_disk, here, count, size, offset = stated
    if disk or first_disk or here != count:
        raise malformed(source.path, "the wheel is one part of a split ZIP file")
    if size > MAX_DIRECTORY_BYTES:
        limit = MAX_DIRECTORY_BYTES >> 20
        raise malformed(source.path, f"the wheel's central directory is larger than {limit} MiB")
    if count > MAX_MEMBERS:
        raise malformed(source.path, f"the wheel has more than {MAX_MEMBERS} members")
    if offset + size != end:
        raise malformed(
            source.path, "the wheel's central directory isn't where its end record says"
        )
    return offset, size, count


_MAX_FORMAT_VERSION = 63
"""The latest version of the format, in tenths, that `zipfile`, pip and uv read."""

_ENTRY_SIGNATURE = b"PK\1\2"
_ENTRY = Struct("<20x2L3H8xL")
_HAS_DESCRIPTOR, _IS_UTF8 = 0x8, 0x800
_BROKEN_EXTRA_FIELD = "has a broken extra field"
_ZIP_ERRORS = (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error)
"""What `zipfile` raises for a file that it can't read."""


def _read_directory(source: WheelSource) -> tuple[int, list[zipfile.ZipInfo]]:
    """Return where the central directory begins, and its entries as `zipfile` reads them.

    What `zipfile` ignores is refused: an end record that states another number of entries, a
    name or an extra field that is cut where the directory ends, and surplus ZIP64 values.
    """
    offset, size, count = _find_directory(source)
    directory = source.read(offset, size)
    if directory.count(_ENTRY_SIGNATURE) > MAX_MEMBERS:
        raise malformed(source.path, f"the wheel has more than {MAX_MEMBERS} members")
    position = 0
    try:
        infos = zipfile.ZipFile(source.file).infolist()
        for info in infos:
            packed_size, size, *lengths, start = _ENTRY.unpack_from(directory, position)
            position += _ENTRY.size + sum(lengths)
            stated = (packed_size, size, start).count(_UNKNOWN)
            if len(_large_sizes(source, info, info.extra)) != stated:
                raise malformed_member(source.path, info.orig_filename, _BROKEN_EXTRA_FIELD)
    except (*_ZIP_ERRORS, OSError) as error:
        raise malformed(source.path, f"the wheel isn't a sound ZIP file: {error}") from None
    if position != len(directory) or len(infos) != count:
        raise malformed(
            source.path,
            "the wheel's central directory doesn't have the members that its end record states",
        )
    if sum(info.file_size for info in infos) > MAX_UNPACKED_BYTES:
        limit = MAX_UNPACKED_BYTES >> 30
        raise malformed(source.path, f"the wheel unpacks to more than {limit} GiB")
    return offset, infos


def _large_sizes(source: WheelSource, info: zipfile.ZipInfo, extra: bytes) -> tuple[int, ...]:
    """Return the values of the ZIP64 block in an extra field of a member; none without one.

    Raises:
        BrokenDistributionError: the extra field is broken, or states another name.
    """
    found: tuple[int, ...] | None = None
    while extra:
        kind, length = struct.unpack("<HH", extra[:4].ljust(4, b"\xff"))
        block, extra = extra[4 : 4 + length], extra[4 + length :]
        is_large = kind == 1
        if kind == 0x7075:
            raise malformed_member(source.path, info.orig_filename, "has a second name")
        if len(block) < length or (is_large and (found is not None or length % 8)):
            raise malformed_member(source.path, info.orig_filename, _BROKEN_EXTRA_FIELD)
        if is_large:
            found = struct.unpack(f"<{length // 8}Q", block)
    return found or ()


def _fault(info: zipfile.ZipInfo) -> str | None:
    """Return why a wheel can't have such a member, or None."""
    if not info.orig_filename.isascii() and not info.flag_bits & _IS_UTF8:
        return "has a name in an undeclared encoding"
    if info.flag_bits & 0x1:
        return "is encrypted"
    # Besides the two flags, only the level of compression may be stated.
    if info.flag_bits & ~(_HAS_DESCRIPTOR | _IS_UTF8 | 0x6) or info.comment or info.volume:
        return "uses a feature of ZIP files that wheels don't"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "uses an unsupported compression method"
    if info.compress_type == zipfile.ZIP_STORED and info.file_size != info.compress_size:
        return "isn't compressed, and has two sizes"
    is_directory = info.orig_filename.endswith("/")
    kind = stat.S_IFDIR if is_directory else stat.S_IFREG
    if stat.S_IFMT(info.external_attr >> 16) not in (0, kind):
        return "isn't a regular file"
    if is_directory and info.compress_size:
        return "is a directory with data"
    return None


_LOCAL = Struct("<4sBxHH4xLLLHH")


def _data_start(source: WheelSource, info: zipfile.ZipInfo) -> int:
    """Return where the data of a member begins, after its local header."""
    name = info.orig_filename.encode("utf-8")
    header_size = _LOCAL.size + len(name)
    header = source.read(info.header_offset, header_size)
    if header[:4] != b"PK\3\4" or len(header) < header_size:
        raise malformed_member(source.path, info.orig_filename, "has no local header")
    stated: list[int]
    _, *stated, name_length, extra_length = _LOCAL.unpack_from(header)
    extra_start = info.header_offset + header_size
    start: int = extra_start + extra_length
    what: str | None = "has another name in its local header"
    if header[_LOCAL.size :] == name and name_length == len(name):
        extra = source.read(extra_start, extra_length) if extra_length else b""
        what = _disagreement(info, stated, _large_sizes(source, info, extra))
    if what:
        raise malformed_member(source.path, info.orig_filename, what)
    return start


def _disagreement(info: zipfile.ZipInfo, stated: Sequence[int], large: Sequence[int]) -> str | None:
    """Return in what a local header differs from the central directory, or None."""
    version, flags, method, checksum, packed_size, size = stated
    if version > _MAX_FORMAT_VERSION:
        return f"needs version {version / 10} of the ZIP format"
    if (flags, method) != (info.flag_bits, info.compress_type):
        return "has other flags or another compression method in its local header"
    if large:
        if len(large) != 2:
            return _BROKEN_EXTRA_FIELD
        if size not in (large[0], _UNKNOWN) or packed_size not in (large[1], _UNKNOWN):
            return "states two sizes"
        size, packed_size = large
    found = (checksum, packed_size, size)
    listed = (info.CRC, info.compress_size, info.file_size)
    # A writer that can't seek leaves zeros, and states the values in the data descriptor.
    is_late = flags & _HAS_DESCRIPTOR
    if any(one != other and (one or not is_late) for one, other in zip(found, listed)):
        return "has another size or checksum in its local header"
    return None


def _check_descriptor(source: WheelSource, info: zipfile.ZipInfo, position: int, end: int) -> None:
    """Check that just a true data descriptor, in one of its four forms, follows the data."""
    values = (info.CRC, info.compress_size, info.file_size)
    forms = ["<LQQ"] if max(values) > _UNKNOWN else ["<LLL", "<LQQ"]
    descriptors = [struct.pack(form, *values) for form in forms]
    found = source.read(position, end - position) if 0 < end - position <= 24 else b""
    if found.removeprefix(b"PK\7\x08") not in descriptors and found not in descriptors:
        raise malformed_member(
            source.path, info.orig_filename, "isn't followed by a true data descriptor"
        )
