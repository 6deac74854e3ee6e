"""What a wheel says of itself, and the hashes of its files, compared with its RECORD."""

from __future__ import annotations

import csv
import hashlib
import io
from binascii import b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass

from coral_lock.document.formats import is_same_version
from coral_lock.errors import BrokenDistributionError, quoted
from coral_lock.installed.digest import is_digested, is_in_cache, tree_digest
from coral_lock.installed.dist_info import (
    MAX_ENTRY_POINTS_BYTES,
    MAX_METADATA_BYTES,
    MAX_WHEEL_BYTES,
    command_names,
    header_fields,
    metadata_header,
    parse_entry_points,
    parse_metadata,
    parse_wheel_tag,
    unknown_groups,
)
from coral_lock.installed.outside import SCRIPTS, hash_content, is_generated, outside_path
from coral_lock.inventory import Distribution
from coral_lock.names import normalized_name
from coral_lock.wheels.archive import WheelArchive
from coral_lock.wheels.listing import HouseWheel
from coral_lock.wheels.zip_file import HINT, Member, malformed, malformed_member

_KNOWN_FORMAT = "1"
"""The known major version of the wheel format; installers refuse any other."""

MAX_RECORD_BYTES = 12 << 20
_MAX_OTHERS = 1000
"""How many files that the wheel doesn't have are read, to name the first of them."""

_ALGORITHMS = ("sha256", "sha384", "sha512")
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")


def read_texts(archive: WheelArchive) -> dict[str, str]:
    """Return what describes the distribution: METADATA without its body, and `entry_points.txt`.

    Raises:
        BrokenDistributionError: METADATA is absent, or one of them can't be used.
    """
    entry_points = archive.read_text("entry_points.txt", MAX_ENTRY_POINTS_BYTES)
    return {
        "METADATA": metadata_header(_required(archive, "METADATA", MAX_METADATA_BYTES)),
        "entry_points.txt": entry_points or "",
    }


def distribution_of(wheel: HouseWheel, dist_info: str, texts: Mapping[str, str]) -> Distribution:
    """Return the distribution that a wheel holds; its location is the wheel.

    Args:
        wheel: the wheel.
        dist_info: the name of its dist-info directory.
        texts: what `read_texts` returned.

    Raises:
        BrokenDistributionError: METADATA lacks name or version, or doesn't match the file name
            (code `wheel-malformed`); or an entry point is malformed (`plugin-broken`).
    """
    place = f"{dist_info}/METADATA"
    try:
        metadata = parse_metadata(texts["METADATA"])
    except ValueError as error:
        raise malformed_member(wheel.path, place, str(error)) from None
    is_same = is_same_version(metadata.version, str(wheel.version))
    if normalized_name(metadata.name) != wheel.name or not is_same:
        raise malformed_member(
            wheel.path,
            place,
            f"is that of `{metadata.name}` {metadata.version}, and the file name says "
            f"`{wheel.name}` {wheel.version}",
        )
    return Distribution(
        name=wheel.name,
        version=metadata.version,
        requires=metadata.requires,
        entry_points=parse_entry_points(
            texts["entry_points.txt"], f"{wheel.path}/{dist_info}/entry_points.txt"
        ),
        unknown_groups=unknown_groups(texts["entry_points.txt"]),
        location=wheel.path,
        requires_python=metadata.requires_python,
    )


def read_wheel_tag(archive: WheelArchive) -> str:
    """Return the compressed, sorted tag set of the `Tag:` lines in WHEEL, `py2.py3-none-any`.

    Raises:
        BrokenDistributionError: there is no WHEEL, it has an unknown format version, or states
            no well-formed tag (code `wheel-malformed`).
    """
    place, text = f"{archive.dist_info}/WHEEL", _required(archive, "WHEEL", MAX_WHEEL_BYTES)
    version = next((value for field, value in header_fields(text) if field == "wheel-version"), "")
    if version.partition(".")[0] != _KNOWN_FORMAT:
        raise malformed_member(archive.path, place, "states no known version of the format")
    try:
        return parse_wheel_tag(text)
    except ValueError as error:
        raise malformed_member(archive.path, place, str(error)) from None


def _required(archive: WheelArchive, name: str, limit: int) -> str:
    """Return the text of a member of the dist-info directory."""
    text = archive.read_text(name, limit)
    if text is None:
        raise malformed(archive.path, f"the wheel has no `{archive.dist_info}/{name}`")
    return text


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelContents:
    """The files that a wheel installs.

    Args:
        tag: its compressed, sorted tag set, the key of its digest in a lock.
        digest: its `t1` digest.
        files: the SHA-256 of each file that the digest covers, in hexadecimal, by the path
            under the site root, sorted.
        outside: that of the normal form of each script, header and data file, likewise by
            the path as its digest has it.
        commands: the console and GUI scripts that installers generate, sorted.
        dist_info: the name of its dist-info directory.
        texts: what `read_texts` returned.
    """

    tag: str
    digest: str
    files: Mapping[str, str]
    outside: Mapping[str, str]
    commands: tuple[str, ...]
    dist_info: str
    texts: Mapping[str, str]


def read_contents(archive: WheelArchive) -> WheelContents:
    """Return the hashes of a wheel's files; each is read once, in bounded memory.

    Raises:
        BrokenDistributionError: a file differs from what the wheel states of it (code
            `wheel-malformed`) or from RECORD (`false-record`); two files are installed to one
            path outside of the site root.
    """
    tag = read_wheel_tag(archive)
    record = _read_record(archive)
    texts = read_texts(archive)
    commands = command_names(texts["entry_points.txt"])
    files: dict[str, str] = {}
    outside: dict[str, str] = {}
    for member in archive.members:
        path = None if member.site_path is not None else _outside_path(archive, member)
        if path is not None and (
            path in outside or is_generated(path, commands, archive.wheel.name)
        ):
            other = "another member" if path in outside else "the script of an entry point"
            raise malformed_member(
                archive.path, member.name, f"is installed to the same path as {other}"
            )
        is_script = path is not None and path.startswith(SCRIPTS)
        digest = _hash(archive, member, record.get(member.name), is_script)
        if path is not None:
            outside[path] = digest
        elif member.site_path is not None and is_digested(member.site_path):
            files[member.site_path] = digest
    return WheelContents(
        tag=tag,
        digest=tree_digest(files.items()),
        files=dict(sorted(files.items())),
        outside=dict(sorted(outside.items())),
        commands=tuple(sorted(commands)),
        dist_info=archive.dist_info,
        texts=texts,
    )


def _read_record(archive: WheelArchive) -> dict[str, tuple[str, str]]:
    """Return hash and size that RECORD states of each file but RECORD and its signatures.

    Raises:
        BrokenDistributionError: there is no RECORD, it lists other files than the wheel has,
            or it doesn't state hash and size of one (code `false-record`).
    """
    itself = f"{archive.dist_info}/RECORD"
    unlisted = frozenset(f"{archive.dist_info}/{name}" for name in _SIGNATURES)
    text = archive.read_text("RECORD", MAX_RECORD_BYTES)
    if text is None:
        raise _false_record(archive, f"the wheel has no {quoted(itself)}")
    rows = _parse_record(archive, text)
    record: dict[str, tuple[str, str]] = {}
    for member in archive.members:
        name, fault = member.name, ""
        row = rows.pop(name, None)
        if name in unlisted:
            fault = "lists its own signature" if row else ""
        elif row is None:
            fault = "doesn't list the member"
        elif name == itself:
            fault = "states a hash of itself," if any(row) else ""
        elif not all(row):
            fault = "doesn't state hash and size of"
        elif row[0].partition("=")[0] not in _ALGORITHMS:
            fault = "states no SHA-256, SHA-384 or SHA-512 of"
        else:
            record[name] = row
        if fault:
            raise _false_record(archive, f"RECORD {fault} {quoted(name)}")
    if rows:
        raise _false_record(
            archive, f"RECORD lists {quoted(min(rows))}, which the wheel doesn't have"
        )
    return record


def _parse_record(archive: WheelArchive, text: str) -> dict[str, tuple[str, str]]:
    rows: dict[str, tuple[str, str]] = {}
    try:
        for row in csv.reader(io.StringIO(text, newline=""), strict=True):
            path, stated_hash, size = row if len(row) == 3 else ("", "", "")
            is_sound = "=" in stated_hash if stated_hash else True
            if not path or not is_sound or not (size.isdecimal() or not size):
                raise _false_record(archive, f"RECORD has an invalid row: {quoted(','.join(row))}")
            if path in rows:
                raise _false_record(archive, f"RECORD lists {quoted(path)} twice")
            if len(rows) == len(archive.members) + _MAX_OTHERS:
                raise _false_record(archive, "RECORD lists many more files than the wheel has")
            rows[path] = (stated_hash, size)
    except csv.Error as error:
        raise _false_record(archive, f"RECORD isn't valid CSV: {error}") from None
    return rows


def _outside_path(archive: WheelArchive, member: Member) -> str | None:
    """Return the path of a file in the `.data` directory; bytecode has none, like elsewhere."""
    _, scheme, path = member.name.split("/", 2)
    if is_in_cache(path):
        return None
    return outside_path(path, archive.wheel.name) if scheme == "data" else f"{scheme}/{path}"


def _hash(
    archive: WheelArchive, member: Member, stated: tuple[str, str] | None, is_script: bool
) -> str:
    """Return the SHA-256 of a file in hexadecimal, if the file is what RECORD states.

    Of a script it is that of its normal form.
    """
    algorithm = stated[0].partition("=")[0] if stated else "sha256"
    raw = hashlib.new(algorithm) if is_script or algorithm != "sha256" else None
    digest = hash_content(archive.stream(member), raw, is_script=is_script)
    # The form of PEP 376 and of the wheel specification: URL-safe base64 without padding.
    content = raw.digest() if raw else bytes.fromhex(digest)
    encoded = b2a_base64(content, newline=False).translate(_URL_SAFE, b"=")
    if stated and stated != (f"{algorithm}={encoded.decode('ascii')}", str(member.size)):
        raise _false_record(archive, f"the member {quoted(member.name)} doesn't match RECORD")
    return digest


def _false_record(archive: WheelArchive, message: str) -> BrokenDistributionError:
    return BrokenDistributionError(message, code="false-record", where=archive.path, hint=HINT)
