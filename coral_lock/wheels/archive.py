"""A wheel that may be hostile: opened, held against itself, and read within bounds.

The format is that of the binary distribution format specification; a wheel is a ZIP file.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

from coral_lock.installed.dist_info import MAX_METADATA_BYTES
from coral_lock.printable import quoted
from coral_lock.record import Record
from coral_lock.wheels.layout import lay_out
from coral_lock.wheels.refusal import malformed, malformed_member
from coral_lock.wheels.structure import WheelSource, read_entries
from coral_lock.wheels.wheel_name import parse_wheel_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from packaging.version import Version
    from typing_extensions import Self

    from coral_lock.wheels.structure import FileIdentity
    from coral_lock.wheels.wheel_name import HouseWheel

PACKED_CHUNK_BYTES = 1 << 16
CHUNK_BYTES = 1 << 18
"""How much of a member is in memory at a time: packed, and unpacked."""

_RAW_DEFLATE = -zlib.MAX_WBITS


class Member(NamedTuple):
    """A file in a wheel; a bare tuple, as wheels have thousands.

    Args:
        name: its name in the wheel.
        site_path: where it comes to lie under the site root; None for scripts, headers and
            data, which lie elsewhere.
        size: how many bytes it has.
        checksum: the CRC-32 that the wheel states of them.
        start: where its data begin in the wheel.
        packed_size: how many bytes they take there.
        is_deflated: whether they are compressed.
    """

    name: str
    site_path: str | None
    size: int
    checksum: int
    start: int
    packed_size: int
    is_deflated: bool


class Structure(Record):
    """The structure of a wheel that was found sound, so that it needn't be read again.

    Args:
        identity: that of the file.
        dist_info: the name of its dist-info directory.
        members: the files in it, in the order in which they lie there.
        by_site_path: those of them that come to lie under the site root.
    """

    identity: FileIdentity
    dist_info: str
    members: tuple[Member, ...]
    by_site_path: Mapping[str | None, Member]


class WheelArchive:
    """An open wheel whose structure is sound; a context manager that closes it.

    Several threads may read from it.

    Args:
        path: its file.
        known: its structure as it was before, which counts if the file is the same still.

    Raises:
        BrokenDistributionError: it can't be read, its name isn't a wheel's, it isn't a sound
            ZIP file, or its members don't make a wheel (code `wheel-malformed`).
    """

    def __init__(self, path: str, known: Structure | None = None) -> None:
        wheel = parse_wheel_name(path)
        self.path = path
        """The wheel's file, as it was given."""
        self.name = wheel.name
        """The normalized name of the distribution, as the file name has it."""
        self.version: Version = wheel.version
        """Its version, as the file name has it."""
        self._source = WheelSource(path)
        if known is None or known.identity != self._source.identity:
            known = _read_structure(self._source, wheel)
        self.structure = known
        """What else may be opened with, as long as the file is the same."""
        self.dist_info = known.dist_info
        """The name of its dist-info directory."""
        self.members = known.members
        """The files in the wheel, in the order in which they lie there."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._source.close()

    def read(self, path: str, limit: int) -> bytes | None:
        """Return the content of a file by its path under the site root, None without one.

        Raises:
            BrokenDistributionError: it has more than `limit` bytes, or isn't what the wheel
                states of it.
        """
        member = self.structure.by_site_path.get(path)
        if member is None:
            return None
        if member.size > limit:
            raise malformed_member(self.path, member.name, f"has more than {limit} bytes")
        return b"".join(self.stream(member))

    def read_text(self, name: str, limit: int = MAX_METADATA_BYTES) -> str | None:
        """Return a text file of the dist-info directory, or None where there is none.

        Raises:
            BrokenDistributionError: as `read`, or it isn't UTF-8.
        """
        path = f"{self.dist_info}/{name}"
        content = self.read(path, limit)
        try:
            return None if content is None else content.decode("utf-8")
        except UnicodeDecodeError:
            raise malformed_member(self.path, path, "isn't UTF-8") from None

    def stream(self, member: Member) -> Iterator[bytes]:
        """Yield the content of a file in pieces of at most `CHUNK_BYTES`.

        Raises:
            BrokenDistributionError: it isn't what the wheel states of it: told as soon as
                there is too much, at the end otherwise.
        """
        if member.packed_size <= PACKED_CHUNK_BYTES and member.size <= CHUNK_BYTES:
            content = self._read_small(member)
            if content is not None:
                return iter((content,))
        return self._pieces(member)

    def _read_small(self, member: Member) -> bytes | None:
        """Return the content of a small file at once, or None where something isn't right."""
        content = self._source.read(member.start, member.packed_size)
        if member.is_deflated:
            inflater = zlib.decompressobj(_RAW_DEFLATE)
            try:
                content = inflater.decompress(content, member.size + 1)
            except zlib.error:
                return None
            if not inflater.eof or inflater.unused_data:
                return None
        is_sound = len(content) == member.size and zlib.crc32(content) == member.checksum
        return content if is_sound else None

    def _pieces(self, member: Member) -> Iterator[bytes]:
        checksum = size = 0
        for chunk in self._inflated(member) if member.is_deflated else self._packed(member):
            size += len(chunk)
            if size > member.size:
                raise malformed_member(self.path, member.name, "unpacks to more than it states")
            checksum = zlib.crc32(chunk, checksum)
            yield chunk
        if size != member.size:
            raise malformed_member(self.path, member.name, "unpacks to less than it states")
        if checksum != member.checksum:
            raise malformed_member(self.path, member.name, "isn't what its checksum states")

    def _packed(self, member: Member) -> Iterator[bytes]:
        position, left = member.start, member.packed_size
        while left:
            chunk = self._source.read(position, min(left, PACKED_CHUNK_BYTES))
            if not chunk:
                raise malformed(self.path, f"the wheel ends within {quoted(member.name)}")
            position += len(chunk)
            left -= len(chunk)
            yield chunk

    def _inflated(self, member: Member) -> Iterator[bytes]:
        inflater = zlib.decompressobj(_RAW_DEFLATE)
        try:
            for packed in self._packed(member):
                while packed:
                    if inflater.eof:
                        raise malformed_member(
                            self.path, member.name, "goes on behind its compressed data"
                        )
                    chunk = inflater.decompress(packed, CHUNK_BYTES)
                    packed = inflater.unconsumed_tail or inflater.unused_data
                    if chunk:
                        yield chunk
            # It may hold back the end of what it was given, once the last piece is full.
            while not inflater.eof and (chunk := inflater.decompress(b"", CHUNK_BYTES)):
                yield chunk
        except zlib.error:
            raise malformed_member(self.path, member.name, "can't be decompressed") from None
        if not inflater.eof:
            raise malformed_member(self.path, member.name, "ends within its compressed data")


def _read_structure(source: WheelSource, wheel: HouseWheel) -> Structure:
    """Return the structure of an open wheel, which is closed if it isn't sound."""
    try:
        entries = read_entries(source)
        layout = lay_out(entries, wheel)
    except BaseException:
        source.close()
        raise
    members = tuple(
        Member(entry.name, layout.site_paths[entry.name], *entry[1:])
        for entry in entries
        if entry.name in layout.site_paths
    )
    return Structure(
        identity=source.identity,
        dist_info=layout.dist_info,
        members=members,
        by_site_path={member.site_path: member for member in members},
    )
