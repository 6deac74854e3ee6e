"""What a wheel's files hold: all of them hashed in one pass, and its RECORD held against it."""

from __future__ import annotations

import hashlib

from coral_lock.installed.digest import is_digested, tree_digest
from coral_lock.printable import quoted
from coral_lock.record import Record
from coral_lock.wheels.metadata import read_wheel_tag
from coral_lock.wheels.record_file import new_hash, read_record, recorded
from coral_lock.wheels.refusal import false_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from installer.records import RecordEntry

    from coral_lock.wheels.archive import Member, WheelArchive


class WheelContents(Record):
    """The files that a wheel puts under the site root.

    Args:
        tag: its compressed, sorted tag set, the key of its digest in a lock.
        digest: its `t1` digest.
        files: the SHA-256 of each file that the digest covers, in hexadecimal, by the path
            under the site root, sorted.
    """

    tag: str
    digest: str
    files: Mapping[str, str]


def read_contents(archive: WheelArchive) -> WheelContents:
    """Return the hashes of a wheel's files; each is read once, in bounded memory.

    Raises:
        BrokenDistributionError: a file isn't what the wheel states of it (code
            `wheel-malformed`), or what RECORD does (`false-record`).
    """
    tag = read_wheel_tag(archive)
    record = read_record(archive)
    files: dict[str, str] = {}
    for member in archive.members:
        digest = _hash(archive, member, record.get(member.name))
        if member.site_path is not None and is_digested(member.site_path):
            files[member.site_path] = digest
    files = {path: files[path] for path in sorted(files)}
    return WheelContents(tag=tag, digest=tree_digest(files.items()), files=files)


def _hash(archive: WheelArchive, member: Member, stated: RecordEntry | None) -> str:
    """Return the SHA-256 of a file in hexadecimal, once it is what RECORD states of it."""
    digest = hashlib.sha256()
    algorithm = "sha256" if stated is None or stated.hash_ is None else stated.hash_.name
    other = digest if algorithm == "sha256" else new_hash(algorithm)
    for chunk in archive.stream(member):
        digest.update(chunk)
        if other is not digest:
            other.update(chunk)
    if stated is not None and (
        stated.size != member.size
        or stated.hash_ is None
        or stated.hash_.value != recorded(other.digest())
    ):
        raise false_record(
            archive.path, f"the member {quoted(member.name)} isn't what RECORD states"
        )
    return digest.hexdigest()
