"""An opened wheel, which may be hostile: its files, read within bounds."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

from coral_lock.installed.dist_info import MAX_METADATA_BYTES
from coral_lock.safe_files import FileIdentity
from coral_lock.wheels.layout import lay_out
from coral_lock.wheels.listing import parse_wheel_name
from coral_lock.wheels.zip_file import (
    MalformedMemberError,
    Member,
    WheelSource,
    read_members,
)

PACKED_CHUNK_BYTES = 1 << 16
CHUNK_BYTES = 1 << 18
"""How much of a member is in memory at a time: packed, and unpacked."""


_NO_FILE: FileIdentity = (0, 0, 0, 0, 0)


class WheelArchive:
    """A wheel; a context manager that opens its file, and closes it.

    Entering it the first time reads its structure. It may be entered again. Several threads
    may read from it.

    Args:
        path: its file.

    Attributes:
        path: the same.
        wheel: what the file name states.
        name: the normalized name of the distribution in it.
        identity: that of the file, once it was entered.
        dist_info: the name of its dist-info directory, once it was entered.
        members: its files in file order, once it was entered.

    Raises:
        BrokenDistributionError: the file name isn't a wheel's. On entering: the file can't be
            read, or isn't a sound wheel (code `wheel-malformed`).
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.wheel = parse_wheel_name(path)
        self.name = self.wheel.name
        self.identity: FileIdentity = _NO_FILE
        self.dist_info = ""
        self.members: tuple[Member, ...] = ()
        self._by_site_path: Mapping[str | None, Member] = {}

    def __enter__(self) -> WheelArchive:
        self._source = WheelSource(self.path)
        if self._source.identity != self.identity:
            try:
                self.dist_info, self.members = lay_out(read_members(self._source), self.wheel)
            except BaseException:
                self._source.close()
                raise
            self._by_site_path = {member.site_path: member for member in self.members}
            self.identity = self._source.identity
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()

    def has(self, path: str) -> bool:
        """Whether the wheel, which was entered before, has a file at a path under the site root."""
        return path in self._by_site_path

    def read(self, path: str, limit: int) -> bytes | None:
        """Return the content of a file by its path under the site root, None without one.

        Raises:
            BrokenDistributionError: it has more than `limit` bytes, or isn't what the wheel
                states of it.
        """
        member = self._by_site_path.get(path)
        if member is None:
            return None
        if member.size > limit:
            raise self._refusal(member, f"has more than {limit} bytes")
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
            raise MalformedMemberError(self.path, path, "isn't UTF-8") from None

    def stream(self, member: Member) -> Iterator[bytes]:
        """Yield the content of a file in pieces of at most `CHUNK_BYTES`.

        Raises:
            MalformedMemberError: it isn't what the wheel states of it: at once where there is
                too much, at the end otherwise.
        """
        checksum = size = 0
        for chunk in self._inflated(member) if member.is_deflated else self._packed(member):
            size += len(chunk)
            if size > member.size:
                raise self._refusal(member, "unpacks to more bytes than stated")
            checksum = zlib.crc32(chunk, checksum)
            yield chunk
        if size != member.size:
            raise self._refusal(member, "unpacks to fewer bytes than stated")
        if checksum != member.checksum:
            raise self._refusal(member, "doesn't have the stated checksum")

    def _packed(self, member: Member) -> Iterator[bytes]:
        end = member.start + member.packed_size
        for position in range(member.start, end, PACKED_CHUNK_BYTES):
            wanted = min(end - position, PACKED_CHUNK_BYTES)
            chunk = self._source.read(position, wanted)
            if len(chunk) < wanted:
                raise self._refusal(member, "is truncated")
            yield chunk

    def _inflated(self, member: Member) -> Iterator[bytes]:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            for packed in self._packed(member):
                while packed:
                    if inflater.eof:
                        raise self._refusal(member, "has data after its compressed data")
                    chunk = inflater.decompress(packed, CHUNK_BYTES)
                    packed = inflater.unconsumed_tail or inflater.unused_data
                    if chunk:
                        yield chunk
            # It may hold back the end of its input once a full piece was returned.
            while not inflater.eof and (chunk := inflater.decompress(b"", CHUNK_BYTES)):
                yield chunk
        except zlib.error:
            raise self._refusal(member, "can't be decompressed") from None
        if not inflater.eof:
            raise self._refusal(member, "has truncated compressed data")

    def _refusal(self, member: Member, what: str) -> MalformedMemberError:
        return MalformedMemberError(self.path, member.name, what)
