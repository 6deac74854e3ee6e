"""Opening a wheel that may be hostile: bounded, and nothing is put outside of a directory."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import stat
import zipfile
import zlib

from coral_lock.author.check.subject import Archive
from coral_lock.author.wheel_file import WheelFile
from coral_lock.errors import InputError
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import IO

MAX_MEMBERS = 50_000
MAX_TOTAL_BYTES = 1 << 30
_MAX_TEXT = 8 << 20
_MAX_PROBLEMS = 100
_CHUNK = 1 << 16
_SITE_SCHEMES = ("purelib", "platlib")
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
        InputError: it can't be read, isn't a zip file, or is larger than the bounds.
    """
    with WheelFile(path) as wheel:
        members = wheel.archive.infolist()
        _refuse_excess(members, path)
        return _Unpacking(wheel.archive, os.path.basename(path), directory).run(members)


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

    def run(self, members: list[zipfile.ZipInfo]) -> OpenedWheel:
        for member in self._sound(members):
            self._unpack(member)
        dist_info = self._dist_info()
        wheel = _headers(self._text(dist_info, "WHEEL"))
        metadata = _headers(self._text(dist_info, "METADATA"))
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
        found = [top for top in tops if top.endswith(".dist-info")]
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
    if name.startswith(("/", "\\")) or (name[1:2] == ":" and name[:1].isalpha()):
        return "has an absolute path"
    if any(part in ("", ".", "..") for part in name.split("/")):
        return "has a path that leads elsewhere than it says"
    if "\\" in name or not name.isprintable():
        return "has a name with a character that isn't portable"
    mode = member.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "isn't a regular file"
    return "is encrypted" if member.flag_bits & 1 else None


def _site_path(name: str) -> str | None:
    """Return where under the site root a member comes to lie; None if elsewhere."""
    top, _, rest = name.partition("/")
    if not top.endswith(".data") or not rest:
        return name
    scheme, _, path = rest.partition("/")
    return path if scheme in _SITE_SCHEMES and path else None


def _headers(text: str | None) -> dict[str, tuple[str, ...]]:
    """Return the fields of a file in the format of mail headers, up to the first empty line."""
    fields: dict[str, tuple[str, ...]] = {}
    for line in (text or "").splitlines():
        if not line:
            break
        field, separator, value = line.partition(":")
        if separator and line[0] not in " \t":
            key = field.strip().lower()
            fields[key] = (*fields.get(key, ()), value.strip())
    return fields
