"""Opening a wheel that may be hostile: bounded, and nothing is put outside of a directory."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import os
import stat
import struct
import zipfile
import zlib

from coral_lock.author.check.subject import Archive
from coral_lock.errors import BrokenDistributionError, InputError
from coral_lock.installed.dist_info import header_fields
from coral_lock.record import Record
from coral_lock.wheels.layout import DATA, DIST_INFO, SITE_SCHEMES, lay_out, unsound_name
from coral_lock.wheels.wheel_name import parse_wheel_name
from coral_lock.wheels.zip_file import MalformedMemberError, WheelSource, read_members

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import IO

MAX_MEMBERS = 50_000
MAX_TOTAL_BYTES = 1 << 30
_MAX_TEXT = 8 << 20
_MAX_PROBLEMS = 100
_CHUNK = 1 << 16
_BAD_ARCHIVE = (zipfile.BadZipFile, struct.error, ValueError, LookupError, OverflowError)
_BAD_MEMBER = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


class OpenedWheel(Record):
    """A wheel whose files lie in a directory.

    Args:
        archive: what there is to say of it as an archive.
        files: the paths of its files under the site root.
        outside: the names of the members that go elsewhere.
    """

    archive: Archive
    files: tuple[str, ...]
    outside: tuple[str, ...]


def open_wheel(path: str, directory: str) -> OpenedWheel:
    """Put the files of a wheel into `directory` as an installer would into the site root.

    A member that is unsafe, or of which there are two, is a problem of the archive, and isn't
    put anywhere.

    Raises:
        InputError: it can't be read, isn't a zip file, needs a later version of the format
            than installers read, or is larger than the bounds.
    """
    if not os.path.exists(path):
        raise InputError("there is no wheel", where=path, hint="name a wheel file that exists")
    try:
        with contextlib.closing(WheelSource(path)) as source:
            refused = _refused_member(source)
            with os.fdopen(os.dup(source.descriptor), "rb") as file:
                opened = _opened(file, refused)
                members = opened.infolist()
                _refuse_excess(members, path)
                return _Unpacking(opened, os.path.basename(path), directory).run(members, refused)
    except BrokenDistributionError as error:
        raise InputError(error.message, where=error.where, hint=error.hint) from None
    except _BAD_ARCHIVE as error:
        raise InputError(f"the wheel isn't a ZIP file: {error}", where=path) from None


def _refused_member(source: WheelSource) -> MalformedMemberError | None:
    """Return for which of its members a lock refuses the wheel before it reads any, or None.

    Raises:
        BrokenDistributionError: its list of files can't be believed at all.
    """
    try:
        entries = read_members(source)
    except MalformedMemberError as error:
        return error
    try:
        lay_out(entries, parse_wheel_name(source.path))
    except MalformedMemberError as error:
        return error
    except BrokenDistributionError:
        # What is wrong with the file name or the dist-info directories is told elsewhere.
        return None
    return None


def _opened(file: IO[bytes], refused: MalformedMemberError | None) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except NotImplementedError:
        # A member needs a later version of the format: a lock refuses such a wheel, too.
        if refused is None:
            raise
        raise refused from None


def _refuse_excess(members: list[zipfile.ZipInfo], path: str) -> None:
    total = sum(member.file_size for member in members)
    bounds = (
        (len(members), MAX_MEMBERS, "members"),
        (total, MAX_TOTAL_BYTES, "bytes when it is unpacked"),
    )
    for number, limit, what in bounds:
        if number > limit:
            raise InputError(
                f"the wheel is larger than what is looked into: it has more than {limit} {what}",
                found=f"{number} {what}",
                where=path,
            )


class _Unpacking:
    def __init__(self, opened: zipfile.ZipFile, file_name: str, directory: str) -> None:
        self._opened = opened
        self._file_name = file_name
        self._directory = directory
        self._problems: list[tuple[str, str]] = []
        self._hashes: dict[str, str] = {}
        self._files: list[str] = []
        self._outside: list[str] = []

    def run(
        self, members: list[zipfile.ZipInfo], refused: MalformedMemberError | None
    ) -> OpenedWheel:
        for member in self._sound(members):
            self._unpack(member)
        if refused is not None and all(name != refused.member for name, _ in self._problems):
            self._problem(refused.member, refused.what)
        dist_info = self._dist_info()
        wheel = _fields(self._text(dist_info, "WHEEL"))
        metadata = _fields(self._text(dist_info, "METADATA"))
        record = self._text(dist_info, "RECORD")
        archive = Archive(
            file_name=self._file_name,
            dist_info=dist_info,
            name=metadata.get("name", ("",))[0],
            version=metadata.get("version", ("",))[0],
            wheel=wheel,
            contents=self._hashes,
            record=None if record is None else self._record(record, f"{dist_info}/RECORD"),
            problems=tuple(self._problems),
        )
        return OpenedWheel(
            archive=archive,
            files=tuple(sorted(self._files)),
            outside=tuple(sorted(self._outside)),
        )

    def _problem(self, member: str, what: str) -> None:
        if len(self._problems) < _MAX_PROBLEMS:
            self._problems.append((member, what))

    def _sound(self, members: list[zipfile.ZipInfo]) -> Iterator[zipfile.ZipInfo]:
        """Yield the members that are files and can be trusted with their names."""
        seen: dict[str, str] = {}
        for member in members:
            # `filename` ends where a NUL byte stands, and the original doesn't.
            name = member.orig_filename
            what = _unsafe(name.removesuffix("/"), member)
            if what:
                self._problem(name, what)
            elif not member.is_dir():
                first = seen.setdefault(name.casefold(), name)
                if first is not name:
                    self._problem(
                        name,
                        "is there twice"
                        if first == name
                        else f"differs from `{first}` in nothing but case",
                    )
                else:
                    yield member

    def _unpack(self, member: zipfile.ZipInfo) -> None:
        site_path = _site_path(member.filename)
        try:
            if site_path is None:
                self._outside.append(member.filename)
                self._hashes[member.filename] = self._copy(member, None)
                return
            target = os.path.join(self._directory, *site_path.split("/"))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "xb") as output:
                self._hashes[member.filename] = self._copy(member, output)
            self._files.append(site_path)
        except FileExistsError:
            self._problem(member.filename, f"comes to lie where another file lies, `{site_path}`")
        except _BAD_MEMBER as error:
            self._problem(member.filename, f"can't be unpacked: {error}")

    def _copy(self, member: zipfile.ZipInfo, output: IO[bytes] | None) -> str:
        digest = hashlib.sha256()
        with self._opened.open(member) as content:
            while chunk := content.read(_CHUNK):
                digest.update(chunk)
                if output is not None:
                    output.write(chunk)
        return digest.hexdigest()

    def _dist_info(self) -> str:
        tops = sorted({path.partition("/")[0] for path in self._hashes if "/" in path})
        found = [top for top in tops if top.endswith(DIST_INFO)]
        if len(found) != 1:
            names = ", ".join(f"`{name}`" for name in found) or "none"
            self._problem("", f"holds not one dist-info directory but {len(found)}: {names}")
        return found[0] if found else ""

    def _text(self, dist_info: str, name: str) -> str | None:
        member = f"{dist_info}/{name}"
        if member not in self._hashes:
            self._problem(member, "is missing")
            return None
        path = os.path.join(self._directory, dist_info, name)
        try:
            if os.path.getsize(path) > _MAX_TEXT:
                self._problem(member, f"has more than {_MAX_TEXT} bytes")
                return None
            with open(path, encoding="utf-8", newline="") as file:
                return file.read()
        except (OSError, UnicodeDecodeError):
            self._problem(member, "isn't UTF-8")
            return None

    def _record(self, text: str, member: str) -> Mapping[str, str]:
        rows: dict[str, str] = {}
        try:
            for row in csv.reader(io.StringIO(text)):
                if not row:
                    continue
                if row[0] in rows:
                    self._problem(member, f"lists `{row[0]}` twice")
                rows[row[0]] = row[1] if len(row) > 1 else ""
        except csv.Error as error:
            self._problem(member, f"isn't a list of files: {error}")
        return rows


def _unsafe(name: str, member: zipfile.ZipInfo) -> str | None:
    """Return what is unsafe about a member, or None."""
    what = unsound_name(name)
    if what:
        return what
    mode = member.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "isn't a regular file"
    return "is encrypted" if member.flag_bits & 1 else None


def _site_path(name: str) -> str | None:
    """Return where under the site root a member comes to lie; None if elsewhere."""
    top, _, rest = name.partition("/")
    if not top.endswith(DATA) or not rest:
        return name
    scheme, _, path = rest.partition("/")
    return path if scheme in SITE_SCHEMES and path else None


def _fields(text: str | None) -> dict[str, tuple[str, ...]]:
    """Return the fields of a file in the format of mail headers."""
    fields: dict[str, tuple[str, ...]] = {}
    for field, value in header_fields(text or ""):
        fields[field] = (*fields.get(field, ()), value)
    return fields
