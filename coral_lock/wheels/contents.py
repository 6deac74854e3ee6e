"""What a wheel's files hold: all of them hashed in one pass, and its RECORD held against it."""

from __future__ import annotations

import hashlib

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
from coral_lock.wheels.record_file import new_hash, read_record, recorded
from coral_lock.wheels.refusal import false_record, malformed_member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from installer.records import RecordEntry

    from coral_lock.wheels.archive import Member, WheelArchive


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
    return None if "__pycache__" in path.split("/") else wheel_path(scheme, path, archive.name)


def _refuse_second(
    archive: WheelArchive,
    member: Member,
    path: str,
    others: Mapping[str, str],
    commands: Collection[str],
) -> None:
    """Refuse a file in whose place another one is installed: nobody knows which is there."""
    if path in others:
        raise malformed_member(archive.path, member.name, "is installed where another member is")
    if is_generated(path, commands, archive.name):
        raise malformed_member(
            archive.path,
            member.name,
            "is installed where the script of an entry point is",
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
