"""A wheel's RECORD: the hash and the size that it states of each file.

The format is that of the recording installed projects specification, and the rules are
those that `installer.sources.WheelFile.validate_record` applies.
"""

from __future__ import annotations

import csv
import hashlib
import io
from binascii import b2a_base64

from coral_lock.printable import quoted
from coral_lock.wheels.refusal import false_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from installer.records import RecordEntry

    from coral_lock.wheels.archive import WheelArchive

MAX_RECORD_BYTES = 12 << 20
_MAX_OTHERS = 1000
"""How many files that the wheel doesn't have are read, to name the first of them."""

ALGORITHMS = ("sha256", "sha384", "sha512")
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")


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
