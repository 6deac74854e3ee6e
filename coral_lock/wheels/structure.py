"""The list of a wheel's members, and the members where they are, checked against each other."""

from __future__ import annotations

import os
import stat
from struct import Struct
from typing import NamedTuple

from coral_lock.record import Record
from coral_lock.safe_files import open_regular_file
from coral_lock.wheels.refusal import malformed, malformed_member, printed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias


if TYPE_CHECKING:
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


_BLOCK = Struct("<HH")
_LARGE_SIZES, _OTHER_NAME = 0x1, 0x7075
_WIDTH = 8
SATURATED = 0xFFFFFFFF


def resolve_sizes(extra: bytes, stated: tuple[int, ...]) -> tuple[int, ...]:
    """Return sizes and offset as they are when a ZIP64 block of the extra field counts.

    Args:
        extra: the extra field.
        stated: what the header itself states, in the order of the block. The block holds
            each of those that have no room, or, as some writers have it, all.

    Raises:
        ValueError: the extra field is broken, contradicts the header, or gives the member
            another name than it has. The message says what the member does.
    """
    values: tuple[int, ...] | None = None
    for kind, block in _blocks(extra):
        if kind == _OTHER_NAME:
            raise ValueError("has a second name")
        if kind == _LARGE_SIZES:
            if values is not None:
                raise ValueError("states its size more than twice")
            values = _filled(block, stated)
    return stated if values is None else values


def _blocks(extra: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(extra):
        start = position + _BLOCK.size
        if start > len(extra):
            raise ValueError("has a broken extra field")
        kind, length = _BLOCK.unpack_from(extra, position)
        position = start + length
        if position > len(extra):
            raise ValueError("has a broken extra field")
        yield kind, extra[start:position]


def _filled(block: bytes, stated: tuple[int, ...]) -> tuple[int, ...]:
    large = [
        int.from_bytes(block[at : at + _WIDTH], "little") for at in range(0, len(block), _WIDTH)
    ]
    missing = stated.count(SATURATED)
    if len(block) % _WIDTH or len(large) not in (missing, len(stated)):
        raise ValueError("has a broken extra field")
    if len(large) == len(stated):
        if any(old not in (new, SATURATED) for old, new in zip(stated, large)):
            raise ValueError("states two sizes")
        return tuple(large)
    values = iter(large)
    return tuple(next(values) if old == SATURATED else old for old in stated)


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


_LOCAL = Struct("<4sBxHH4xLLLHH")
_LOCAL_SIGNATURE = b"PK\x03\x04"
_DESCRIPTOR_SIGNATURE = b"PK\x07\x08"
_DESCRIPTORS = (Struct("<LLL"), Struct("<LQQ"))


class Entry(NamedTuple):
    """A member of a wheel; a bare tuple, as wheels have thousands.

    Args:
        name: its name in the wheel; that of a directory ends with a slash.
        size: how many bytes it has when it is unpacked.
        checksum: the CRC-32 of these bytes.
        start: where its data begin.
        packed_size: how many bytes they take.
        is_deflated: whether they are compressed.
    """

    name: str
    size: int
    checksum: int
    start: int
    packed_size: int
    is_deflated: bool


def read_entries(source: WheelSource) -> list[Entry]:
    """Return the members of a wheel in the order in which they lie in the file.

    Raises:
        BrokenDistributionError: the wheel is no ZIP file in which the members lie one behind
            the other, just as its directory lists them.
    """
    headers, directory = read_headers(source)
    headers.sort()
    entries: list[Entry] = []
    position = 0
    for index, header in enumerate(headers):
        if header.offset != position:
            _refuse_place(source, header, position)
        start = _data_start(source, header)
        position = start + header.packed_size
        if header.flags & HAS_DESCRIPTOR:
            following = headers[index + 1].offset if index + 1 < len(headers) else directory
            _check_descriptor(source, header, position, following)
            position = following
        entries.append(
            Entry(
                _name(source, header.name),
                header.size,
                header.checksum,
                start,
                header.packed_size,
                header.method == DEFLATED,
            )
        )
    if position != directory:
        raise malformed(source.path, "the wheel has data between its files and the list of them")
    return entries


def _name(source: WheelSource, name: bytes) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        raise malformed_member(source.path, printed(name), "has a name that isn't UTF-8") from None


def _refuse_place(source: WheelSource, header: Header, position: int) -> None:
    what = "overlaps the one before" if header.offset < position else "has data in front of it"
    raise malformed_member(source.path, printed(header.name), what)


def _data_start(source: WheelSource, header: Header) -> int:
    """Return where the data of a member begin, behind its own header."""
    name_end = _LOCAL.size + len(header.name)
    local = source.read(header.offset, name_end)
    if local[:4] != _LOCAL_SIGNATURE or len(local) < name_end:
        raise malformed_member(source.path, printed(header.name), "isn't where the list says")
    extra_length = local[28] | local[29] << 8
    start = header.offset + name_end + extra_length
    if local[_LOCAL.size :] != header.name:
        raise malformed_member(source.path, printed(header.name), "has another name in its place")
    is_repeated = local[4:28] == header.repeated
    if is_repeated and not extra_length and SATURATED not in (header.size, header.packed_size):
        return start
    extra = source.read(header.offset + name_end, extra_length)
    what = _disagreement(header, local, extra)
    if what:
        raise malformed_member(source.path, printed(header.name), what)
    return start


def _disagreement(header: Header, local: bytes, extra: bytes) -> str | None:
    """Return what a member's own header says otherwise than the directory, or None."""
    _, version, flags, method, checksum, packed_size, size, name_length, _ = _LOCAL.unpack_from(
        local
    )
    # pip goes by the directory's version, uv by both.
    if what := too_new(version):
        return what
    if name_length != len(header.name):
        return "has another name in its place"
    try:
        size, packed_size = resolve_sizes(extra, (size, packed_size))
    except ValueError as error:
        return str(error)
    if (flags, method) != (header.flags, header.method):
        return "is stored in another way than the list says"
    pairs = (
        (checksum, header.checksum),
        (packed_size, header.packed_size),
        (size, header.size),
    )
    # What a writer learns after the data stands in the descriptor behind them.
    is_late = bool(flags & HAS_DESCRIPTOR)
    if any(value != listed and not (is_late and value == 0) for value, listed in pairs):
        return "has another size or checksum in its place than in the list"
    return None


def _check_descriptor(source: WheelSource, header: Header, position: int, following: int) -> None:
    """Refuse data that aren't followed by just their descriptor, in one of its four forms."""
    values = (header.checksum, header.packed_size, header.size)
    longest = len(_DESCRIPTOR_SIGNATURE) + _DESCRIPTORS[1].size
    if 0 < following - position <= longest:
        found = source.read(position, following - position)
        for form in _DESCRIPTORS:
            if form.size == 12 and max(values) > SATURATED:
                continue
            expected = form.pack(*values)
            if found in (expected, _DESCRIPTOR_SIGNATURE + expected):
                return
    raise malformed_member(
        source.path, printed(header.name), "isn't followed by a true data descriptor"
    )
