"""What a wheel's files hold: all of them hashed in one pass, and its RECORD held against it."""

from __future__ import annotations

import csv
import hashlib
import io
from binascii import b2a_base64

from coral_lock.errors import BrokenDistributionError
from coral_lock.installed.digest import is_digested, tree_digest
from coral_lock.installed.dist_info import command_names
from coral_lock.installed.outside import (
    SCRIPTS,
    hashed_chunks,
    is_generated,
    script_hash,
    wheel_path,
)
from coral_lock.printable import quoted
from coral_lock.record import Record
from coral_lock.wheels.metadata import read_wheel_tag
from coral_lock.wheels.zip_file import HINT, MalformedMemberError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from installer.records import RecordEntry

    from coral_lock.wheels.archive import WheelArchive
    from coral_lock.wheels.zip_file import Member


MAX_RECORD_BYTES = 12 << 20
_MAX_OTHERS = 1000
"""How many files that the wheel doesn't have are read, to name the first of them."""

ALGORITHMS = ("sha256", "sha384", "sha512")
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")


def false_record(path: str, message: str) -> BrokenDistributionError:
    """Return the refusal of a wheel whose RECORD doesn't match its files."""
    return BrokenDistributionError(message, code="false-record", where=path, hint=HINT)


def read_record(archive: WheelArchive) -> Mapping[str, RecordEntry]:
    """Return what RECORD states, by the member's name: each file but RECORD and its signatures.

    Raises:
        BrokenDistributionError: there is no RECORD, it lists other files than the wheel has,
            or it doesn't state hash and size of one (code `false-record`).
    """
    itself = f"{archive.dist_info}/RECORD"
    unlisted = frozenset(f"{archive.dist_info}/{name}" for name in _SIGNATURES)
    text = archive.read_text("RECORD", MAX_RECORD_BYTES)
    if text is None:
        raise false_record(archive.path, f"the wheel has no {quoted(itself)}")
    entries = _parsed(text, archive.path, len(archive.members) + _MAX_OTHERS)
    rows: dict[str, RecordEntry] = {}
    for member in archive.members:
        name = member.name
        entry = entries.pop(name, None)
        if name in unlisted:
            if entry is not None:
                raise false_record(archive.path, f"RECORD lists its own signature {quoted(name)}")
        elif entry is None:
            raise false_record(archive.path, f"RECORD doesn't list the member {quoted(name)}")
        elif name == itself:
            if entry.hash_ is not None or entry.size is not None:
                raise false_record(archive.path, f"RECORD states a hash of itself, {quoted(name)}")
        else:
            _refuse_incomplete(entry, archive.path)
            rows[name] = entry
    if entries:
        raise false_record(
            archive.path, f"RECORD lists {quoted(min(entries))}, which the wheel doesn't have"
        )
    return rows


def _parsed(text: str, path: str, most: int) -> dict[str, RecordEntry]:
    # Its import takes as long as opening thirty wheels, and only a wheel that nobody knows
    # yet is read to its RECORD.
    from installer.records import InvalidRecordEntry, RecordEntry, parse_record_file

    entries: dict[str, RecordEntry] = {}
    try:
        for elements in parse_record_file(io.StringIO(text, newline="")):
            entry = RecordEntry.from_elements(*elements)
            if entry.path in entries:
                raise false_record(path, f"RECORD lists {quoted(entry.path)} twice")
            if len(entries) == most:
                raise false_record(path, "RECORD lists many more files than the wheel has")
            entries[entry.path] = entry
    except InvalidRecordEntry as error:
        shown = quoted(",".join(error.elements))
        raise false_record(path, f"RECORD has a row that isn't sound: {shown}") from None
    except csv.Error as error:
        raise false_record(path, f"RECORD isn't a list of files: {error}") from None
    return entries


def _refuse_incomplete(entry: RecordEntry, path: str) -> None:
    if entry.hash_ is None or entry.size is None:
        raise false_record(path, f"RECORD doesn't state hash and size of {quoted(entry.path)}")
    if entry.hash_.name not in ALGORITHMS:
        raise false_record(
            path, f"RECORD states no SHA-256, SHA-384 or SHA-512 of {quoted(entry.path)}"
        )


def recorded(digest: bytes) -> str:
    """Return a hash as RECORD has it: URL-safe base64 without padding."""
    return b2a_base64(digest, newline=False).translate(_URL_SAFE, b"=").decode("ascii")


def new_hash(algorithm: str) -> hashlib._Hash:
    """Return a new hash object for one of `ALGORITHMS`."""
    hash_object: hashlib._Hash = getattr(hashlib, algorithm)()
    return hash_object


class WheelContents(Record):
    """The files that a wheel puts under the site root.

    Args:
        tag: its compressed, sorted tag set, the key of its digest in a lock.
        digest: its `t1` digest.
        files: the SHA-256 of each file that the digest covers, in hexadecimal, by the path
            under the site root, sorted.
        outside: that of the normal form of each script, header and data file, likewise by
            the path as its digest has it.
        commands: the console and GUI scripts that installers generate, sorted.
    """

    tag: str
    digest: str
    files: Mapping[str, str]
    outside: Mapping[str, str]
    commands: tuple[str, ...]


def read_contents(archive: WheelArchive) -> WheelContents:
    """Return the hashes of a wheel's files; each is read once, in bounded memory.

    Raises:
        BrokenDistributionError: a file isn't what the wheel states of it (code
            `wheel-malformed`), or what RECORD does (`false-record`); two files are installed
            in one place outside of the site root.
    """
    tag = read_wheel_tag(archive)
    record = read_record(archive)
    commands = command_names(archive.read_text("entry_points.txt") or "")
    files: dict[str, str] = {}
    outside: dict[str, str] = {}
    for member in archive.members:
        path = None if member.site_path is not None else _outside_path(archive, member)
        if path is not None:
            _refuse_second(archive, member, path, outside, commands)
        is_script = path is not None and path.startswith(SCRIPTS)
        digest = _hash(archive, member, record.get(member.name), is_script)
        if path is not None:
            outside[path] = digest
        elif member.site_path is not None and is_digested(member.site_path):
            files[member.site_path] = digest
    files = {path: files[path] for path in sorted(files)}
    return WheelContents(
        tag=tag,
        digest=tree_digest(files.items()),
        files=files,
        outside={path: outside[path] for path in sorted(outside)},
        commands=tuple(sorted(commands)),
    )


def _outside_path(archive: WheelArchive, member: Member) -> str | None:
    """Return the path of a file in the `.data` directory; bytecode has none, like elsewhere."""
    _, scheme, path = member.name.split("/", 2)
    is_bytecode = "__pycache__" in path.split("/")
    return None if is_bytecode else wheel_path(scheme, path, archive.wheel.name)


def _refuse_second(
    archive: WheelArchive,
    member: Member,
    path: str,
    others: Mapping[str, str],
    commands: Collection[str],
) -> None:
    """Refuse a file in whose place another one is installed: nobody knows which is there."""
    if path in others:
        raise MalformedMemberError(
            archive.path, member.name, "is installed to the same path as another member"
        )
    if is_generated(path, commands, archive.wheel.name):
        raise MalformedMemberError(
            archive.path,
            member.name,
            "is installed to the same path as the script of an entry point",
        )


def _hash(
    archive: WheelArchive, member: Member, stated: RecordEntry | None, is_script: bool
) -> str:
    """Return the SHA-256 of a file in hexadecimal, once it is what RECORD states of it.

    Of a script it is that of its normal form.
    """
    digest = hashlib.sha256()
    algorithm = "sha256" if stated is None or stated.hash_ is None else stated.hash_.name
    other = digest if algorithm == "sha256" else new_hash(algorithm)
    hashes = (digest,) if other is digest else (digest, other)
    chunks = hashed_chunks(archive.stream(member), *hashes)
    normal = script_hash(chunks) if is_script else None
    for _ in chunks:
        pass
    if stated is not None and (
        stated.size != member.size
        or stated.hash_ is None
        or stated.hash_.value != recorded(other.digest())
    ):
        raise false_record(
            archive.path, f"the member {quoted(member.name)} isn't what RECORD states"
        )
    return normal or digest.hexdigest()
