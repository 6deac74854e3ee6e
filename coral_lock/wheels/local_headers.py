"""The members of a wheel where they lie, held against the directory that lists them.

A ZIP file says everything twice, and readers differ in what they believe. So a wheel whose
two accounts disagree is refused, and so are bytes that belong to no member. The format is
that of PKWARE's APPNOTE, sections 4.3.7 to 4.3.9.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from coral_lock.wheels.extra_field import SATURATED, resolve_sizes
from coral_lock.wheels.refusal import malformed, malformed_member, printed
from coral_lock.wheels.structure import DEFLATED, HAS_DESCRIPTOR, read_headers, too_new

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.wheels.source import WheelSource
    from coral_lock.wheels.structure import Header

_LOCAL = Struct("<4sBxHH4xLLLHH")
_SIGNATURE = b"PK\x03\x04"
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
    if local[:4] != _SIGNATURE or len(local) < name_end:
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
