"""ZIP files written byte by byte, with anything in them that no writer would write."""

from __future__ import annotations

import base64
import hashlib
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

NAME = "acme-1.0-py3-none-any.whl"
INFO = "acme-1.0.dist-info"
DATA = "acme-1.0.data"
FILE = 0o100644

_EMPTY: Mapping[str, int] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class ZipMember:
    """A member of a ZIP file.

    `listed` and `local` replace what the directory and the member's own header state: the
    fields `version` (needed to unpack it), `flags`, `method`, `checksum`, `packed_size`, `size`
    and, listed alone, `offset`, `disk`.
    """

    name: bytes
    content: bytes = b""
    packed: bytes | None = None
    method: int = 8
    flags: int = 0
    mode: int = FILE
    listed: Mapping[str, int] = field(default_factory=lambda: _EMPTY)
    local: Mapping[str, int] = field(default_factory=lambda: _EMPTY)
    local_name: bytes | None = None
    extra: bytes = b""
    local_extra: bytes = b""
    comment: bytes = b""
    before: bytes = b""
    after: bytes = b""

    @property
    def data(self) -> bytes:
        if self.packed is not None:
            return self.packed
        return deflated(self.content) if self.method == 8 else self.content

    @property
    def fields(self) -> dict[str, int]:
        return {
            "version": 20,
            "flags": self.flags,
            "method": self.method,
            "checksum": zlib.crc32(self.content),
            "packed_size": len(self.data),
            "size": len(self.content),
            "disk": 0,
        }


def deflated(content: bytes) -> bytes:
    """Compress as ZIP files do."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()


def text(name: str, content: str) -> ZipMember:
    """A sound member."""
    return ZipMember(name=name.encode(), content=content.encode())


def zip_bytes(
    members: Sequence[ZipMember],
    *,
    before_directory: bytes = b"",
    in_directory: bytes = b"",
    behind: bytes = b"",
    end: Mapping[str, int] = _EMPTY,
    comment: bytes = b"",
    zip64: Mapping[str, int] | None = None,
) -> bytes:
    """Return a ZIP file.

    `end` and `zip64` replace what the end records state: `count`, `here`, `size`, `offset`,
    `disk`, `comment`, and `place`, where the ZIP64 record is said to lie.
    """
    body, directory = bytearray(), bytearray()
    for member in members:
        body += member.before
        local = {**member.fields, **member.local}
        listed = {"offset": len(body), **member.fields, **member.listed}
        name = member.name if member.local_name is None else member.local_name
        body += _local_header(local, name, member.local_extra) + member.data + member.after
        directory += _listed_header(listed, member)
    body += before_directory
    directory += in_directory
    stated = {"count": len(members), "size": len(directory), "offset": len(body), "disk": 0}
    result = bytes(body + directory)
    if zip64 is not None:
        result += _zip64_end({**stated, "place": len(result), **zip64})
    return result + _end({**stated, **end}, comment) + behind


def _local_header(fields: Mapping[str, int], name: bytes, extra: bytes) -> bytes:
    return (
        struct.pack(
            "<4s5H3L2H", b"PK\3\4", fields["version"], fields["flags"], fields["method"], 0, 33,
            fields["checksum"], fields["packed_size"], fields["size"], len(name), len(extra),
        )
        + name
        + extra
    )  # fmt: skip


def _listed_header(fields: Mapping[str, int], member: ZipMember) -> bytes:
    return (
        struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 0x314, fields["version"], fields["flags"],
            fields["method"], 0, 33, fields["checksum"], fields["packed_size"], fields["size"],
            len(member.name), len(member.extra), len(member.comment), fields["disk"], 0,
            member.mode << 16, fields["offset"],
        )
        + member.name
        + member.extra
        + member.comment
    )  # fmt: skip


def _zip64_end(stated: Mapping[str, int]) -> bytes:
    return struct.pack(
        "<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, stated["disk"], 0,
        stated.get("here", stated["count"]), stated["count"], stated["size"], stated["offset"],
    ) + struct.pack("<4sLQL", b"PK\6\7", 0, stated["place"], 1)  # fmt: skip


def _end(stated: Mapping[str, int], comment: bytes) -> bytes:
    return (
        struct.pack(
            "<4s4H2LH", b"PK\5\6", stated["disk"], 0, stated.get("here", stated["count"]),
            stated["count"], stated["size"], stated["offset"], stated.get("comment", len(comment)),
        )
        + comment
    )  # fmt: skip


SOUND: Mapping[str, str] = {
    "acme/__init__.py": "",
    "acme/plugins.py": "def denoise():\n    return True\n" * 20,
    f"{DATA}/purelib/acme/extra.py": "EXTRA = 1\n",
    f"{DATA}/scripts/acme": "#!python\n",
    f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n",
    f"{INFO}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}
"""The files of a sound wheel but its RECORD."""


def record_row(name: str, content: str, algorithm: str = "sha256") -> str:
    """Return the true row of RECORD for a file."""
    digest = hashlib.new(algorithm, content.encode()).digest()
    value = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return f"{name},{algorithm}={value},{len(content.encode())}\n"


def record_of(files: Mapping[str, str]) -> str:
    """Return the true RECORD of these files."""
    rows = [record_row(name, content) for name, content in files.items()]
    return "".join((*rows, f"{INFO}/RECORD,,\n"))


def sound_members(
    files: Mapping[str, str] = SOUND, record: str | None = None
) -> tuple[ZipMember, ...]:
    """Return the members of a wheel with a RECORD, true unless another is given."""
    record = record_of(files) if record is None else record
    return (
        *(text(name, content) for name, content in files.items()),
        text(f"{INFO}/RECORD", record),
    )


def with_changed(name: str, **changes: object) -> tuple[ZipMember, ...]:
    """Return the sound members, one of them changed."""
    changed = tuple(
        replace(member, **changes) if member.name == name.encode() else member  # type: ignore[arg-type]
        for member in sound_members()
    )
    assert changed != sound_members()
    return changed


def with_more(*members: ZipMember) -> tuple[ZipMember, ...]:
    """Return the sound members and more behind them."""
    return (*sound_members(), *members)


def write_wheel(directory: Path, content: bytes, name: str = NAME) -> str:
    """Write a wheel and return its path."""
    path = directory / name
    path.write_bytes(content)
    return str(path)
