"""An opened wheel, which may be hostile: its files and their paths, read within bounds.

Members that would be installed outside of their directory, or to one path, are refused. Where
members are installed is said by the binary distribution format specification.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from coral_lock.document.formats import is_same_version
from coral_lock.errors import BrokenDistributionError, quoted
from coral_lock.installed.digest import foreign_bytecode
from coral_lock.installed.dist_info import MAX_METADATA_BYTES
from coral_lock.names import SITE_DIRECTORIES, normalized_name
from coral_lock.safe_files import FileIdentity
from coral_lock.wheels.listing import HouseWheel, parse_wheel_name
from coral_lock.wheels.zip_file import (
    Member,
    WheelSource,
    malformed,
    malformed_member,
    read_members,
)

PACKED_CHUNK_BYTES = 1 << 16
CHUNK_BYTES = 1 << 18
"""How much of a member is in memory at a time: packed, and unpacked."""


_NO_FILE: FileIdentity = (0, 0, 0, 0, 0)


class WheelArchive:
    """A wheel; a context manager that opens its file, and closes it.

    Entering it the first time reads its structure. It may be entered again. One thread at a time
    may read from it.

    Args:
        path: its file.

    Attributes:
        path: the same.
        wheel: what the file name states.
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
                self._source.file.close()
                raise
            self._by_site_path = {member.site_path: member for member in self.members}
            self.identity = self._source.identity
        return self

    def __exit__(self, *_: object) -> None:
        self._source.file.close()

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
            raise malformed_member(self.path, path, "isn't UTF-8") from None

    def stream(self, member: Member) -> Iterator[bytes]:
        """Yield the content of a file in pieces of at most `CHUNK_BYTES`.

        Raises:
            BrokenDistributionError: it isn't what the wheel states of it: at once where there is
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

    def _refusal(self, member: Member, what: str) -> BrokenDistributionError:
        return malformed_member(self.path, member.name, what)


DIST_INFO, DATA = ".dist-info", ".data"
SITE_SCHEMES = ("purelib", "platlib")
OTHER_SCHEMES = ("data", "headers", "scripts")

_PART = r"(?!\.\.?(?:/|\Z))(?![A-Za-z]:)[^/\\]+"
_SOUND_NAME = re.compile(rf"{_PART}(?:/{_PART})*/?")
_DRIVE = re.compile(r"[A-Za-z]:")
_LIBRARIES = frozenset({"lib", "lib64"})
_MAX_PATH, _MAX_PART, _MAX_PARTS = 4096, 255, 100
_SHORT_PATH = 60
_BELOW = "\0"
"""Replaces `/` where paths are sorted, so that a directory's files follow a file of its name."""


def lay_out(members: Sequence[Member], wheel: HouseWheel) -> tuple[str, tuple[Member, ...]]:
    """Return the name of the dist-info directory, and the files with their paths.

    Raises:
        BrokenDistributionError: a member has an unsafe or unportable name, is installed where
            another one is, or is in a `__pycache__` without its source; or there isn't just one
            dist-info directory.
    """
    names = [member.name for member in members]
    for name in names:
        if what := unsound_name(name):
            raise malformed_member(wheel.path, name, what)
    dist_info = find_dist_info(names, wheel)
    data = dist_info.removesuffix(DIST_INFO) + DATA
    files: list[Member] = []
    places: list[str] = []
    for member in members:
        name = member.name
        top, _, rest = name.partition("/")
        site_path: str | None = name
        if top.endswith(DATA) and rest:
            if what := _fault_of_data(top, rest, data):
                raise malformed_member(wheel.path, name, what)
            scheme, _, path = rest.partition("/")
            site_path = path or None if scheme in SITE_SCHEMES else None
        if not name.endswith("/"):
            files.append(member._replace(site_path=site_path))
        places.append(site_path or name)
    _refuse_collisions(names, places, wheel)
    for place in sorted(foreign_bytecode({place for place in places if not place.endswith("/")})):
        raise malformed_member(
            wheel.path,
            names[places.index(place)],
            "is in `__pycache__` and isn't the bytecode of a source in the wheel",
        )
    return dist_info, tuple(files)


def unsound_name(name: str) -> str | None:
    """Return why a member can't have this name, or None; that of a directory ends with `/`."""
    if "\\" in name or not name.isprintable():
        return "has a name with a character that isn't portable"
    if name.startswith("/") or _DRIVE.match(name):
        return "has an absolute path"
    if not _SOUND_NAME.fullmatch(name):
        return "has an unsafe path"
    if len(name) > _SHORT_PATH:
        parts = name.encode("utf-8", "surrogateescape").split(b"/")
        if len(name) > _MAX_PATH or len(parts) > _MAX_PARTS or max(map(len, parts)) > _MAX_PART:
            return "has a path that is too long"
    return None


def find_dist_info(names: Iterable[str], wheel: HouseWheel) -> str:
    """Return the one dist-info directory, which has to match the file name."""
    tops = dict.fromkeys([name.partition("/")[0] for name in names])
    found = [top for top in tops if top.endswith(DIST_INFO)]
    if len(found) != 1:
        shown = ", ".join(map(quoted, sorted(found)[:5])) or "none"
        raise malformed(
            wheel.path, f"a wheel has one dist-info directory, this one has {len(found)}: {shown}"
        )
    name, _, version = found[0].removesuffix(DIST_INFO).rpartition("-")
    if normalized_name(name) != wheel.name or not is_same_version(version, str(wheel.version)):
        raise malformed_member(
            wheel.path,
            found[0],
            f"doesn't match the file name, which states {wheel.name} {wheel.version}",
        )
    return found[0]


def _fault_of_data(top: str, rest: str, data: str) -> str | None:
    """Return what is wrong with a member of a `.data` directory, or None."""
    if top != data:
        return f"is in a `.data` directory other than {quoted(data)}"
    scheme, separator, path = rest.partition("/")
    if not separator or scheme not in (*SITE_SCHEMES, *OTHER_SCHEMES):
        return "is in no known scheme of the `.data` directory"
    parts = path.casefold().split("/")
    if scheme in SITE_SCHEMES and parts[0].endswith((DIST_INFO, ".egg-info")):
        return "puts metadata outside of the dist-info directory"
    if scheme == "data" and (
        not set(parts).isdisjoint(SITE_DIRECTORIES)
        or (parts[0] in _LIBRARIES and parts[1:] and parts[1].startswith("python"))
    ):
        return "is a data file that is installed among the modules"
    return None


def _refuse_collisions(names: Sequence[str], places: Sequence[str], wheel: HouseWheel) -> None:
    """Refuse members that are installed to one path, on any file system.

    Args:
        names: the names of the members in file order.
        places: where each of them is installed.
        wheel: the wheel.
    """
    keyed = sorted(zip(_folded(places), range(len(names))))
    for (key, first), (next_key, second) in pairwise(keyed):
        if not next_key.startswith(key):
            continue
        name, other = names[second], names[first]
        if next_key[len(key) :].startswith(_BELOW):
            what = f"needs a directory where {quoted(other)} is a file"
        elif key != next_key or (key.endswith(_BELOW) and name != other):
            continue
        elif name == other:
            what = "appears twice"
        elif places[first] == places[second]:
            what = f"is installed to the same path as {quoted(other)}"
        else:
            what = f"differs from {quoted(other)} only in case"
        raise malformed_member(wheel.path, name, what)


def _folded(places: Sequence[str]) -> list[str]:
    """Return keys that are equal for places which some file systems don't distinguish."""
    text = "\n".join(places)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return text.casefold().replace("/", _BELOW).split("\n")
