"""What was found in wheels, kept between runs; the cache changes nothing but the time.

It has two levels, and may be deleted at any time; a command never fails for its sake.

- What is in a wheel is kept by the SHA-256 of the whole wheel. An entry says nothing that
  depends on the wheel's name or place, so it can't go stale: other bytes have another key.
  It is made for wheels alone that were read to the end and found sound.
- Which file has which SHA-256 is kept by the file's identity (`known_files`).

An entry is UTF-8 text, one value a line: the wheel's SHA-256, its tag and its `t1` digest;
the name of its dist-info directory; name, version and `Requires-Python` as METADATA states
them; how many requirements, plugin entry points, files, files outside of the site root and
commands follow; these requirements; for each entry point `<group> <value> <name>`; for each
file `<SHA-256>  <path>`, sorted by path, and likewise outside; the names of the commands.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat

from coral_lock.installed.digest import DIGEST_PREFIX
from coral_lock.inventory import EntryPoint
from coral_lock.record import Record
from coral_lock.safe_files import read_regular_file
from coral_lock.wheels.contents import WheelContents
from coral_lock.wheels.metadata import WheelFacts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from coral_lock.wheels.zip_file import FileIdentity


_LEVELS = ("coral-lock", "wheels", "v4")
"""The last one stands for the form of what is kept, and for what makes a wheel sound."""


def default_cache_base() -> str:
    """Return `$XDG_CACHE_HOME`, by default `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return base if os.path.isabs(base) else os.path.join(os.path.expanduser("~"), ".cache")


class CacheDirectory:
    """The directory `coral-lock/wheels/v4`, made with mode 0700 if absent.

    Args:
        base: the directory in which it lies, `default_cache_base()` by default.

    Attributes:
        problem: why nothing is kept or believed, or None: others can write to it, or it
            can't be made.
    """

    def __init__(self, base: str | None = None) -> None:
        base = base or default_cache_base()
        self._path = os.path.join(base, *_LEVELS)
        self.problem = _make(base)

    def read(self, name: str, limit: int) -> str | None:
        """Return what is kept under a name, or None; more than `limit` bytes count as none."""
        if self.problem is not None:
            return None
        try:
            content = read_regular_file(os.path.join(self._path, name), limit)
        except OSError:
            return None
        checksum, separator, body = content.partition(b"\n")
        if not separator or hashlib.sha256(body).hexdigest().encode("ascii") != checksum:
            return None
        try:
            return body.decode("utf-8")
        except UnicodeDecodeError:
            return None

    def write(self, name: str, text: str) -> None:
        """Keep a text under a name, if that is possible, in the place of what was there."""
        if self.problem is not None:
            return
        # Its import takes as long as what a run without anything new reads from here.
        import tempfile

        try:
            body = text.encode("utf-8")
            descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=self._path)
        except (OSError, UnicodeEncodeError):
            return
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(hashlib.sha256(body).hexdigest().encode("ascii") + b"\n" + body)
            os.replace(temporary, os.path.join(self._path, name))
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _make(base: str) -> str | None:
    """Make the directories of the cache and return None, or why they can't be made or trusted."""
    directory = base
    try:
        os.makedirs(base, mode=0o700, exist_ok=True)
        for level in _LEVELS:
            directory = os.path.join(directory, level)
            with contextlib.suppress(FileExistsError):
                os.mkdir(directory, mode=0o700)
            if reason := _mistrust(os.lstat(directory)):
                return f"`{directory}` {reason}"
    except OSError as error:
        return f"`{directory}` can't be made: {error.strerror}"
    return None


def _mistrust(status: os.stat_result) -> str | None:
    if not stat.S_ISDIR(status.st_mode):
        return "isn't a directory"
    if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
        return "belongs to another user"
    if os.name == "posix" and status.st_mode & 0o022:
        return "can be written by others"
    return None


FILE_NAME = "files"
MAX_FILES = 20_000
_MAX_BYTES = 4 << 20
_LINES = re.compile(r"(?:(?:[0-9]{1,20} ){5}[0-9a-f]{64}\n)*")


SETTLED_NANOSECONDS = 2_000_000_000
"""How old a change has to be; the coarsest clock, that of FAT, ticks every two seconds."""


def is_lasting(identity: FileIdentity, now: int) -> bool:
    """Whether an identity that was read at a time identifies the bytes in a later run.

    Not on Windows, where the last of the times is that of the file's creation, and not on a
    file system without inodes.

    Args:
        identity: the file's.
        now: the time, in nanoseconds since the epoch, before the bytes were read.
    """
    _, inode, _, modified, changed = identity
    newest = max(modified, changed)
    return os.name != "nt" and inode != 0 and newest <= now - SETTLED_NANOSECONDS


class KnownFiles:
    """The SHA-256 of files that were hashed in this run or an earlier one.

    Args:
        directory: where they are kept.
    """

    def __init__(self, directory: CacheDirectory) -> None:
        self._directory = directory
        self._hashes = _parse_known(directory.read(FILE_NAME, _MAX_BYTES) or "")
        self._is_changed = False

    def get(self, identity: FileIdentity) -> str | None:
        """Return the SHA-256 of the file with this identity, or None."""
        return self._hashes.get(_key(identity))

    def add(self, identity: FileIdentity, sha256: str) -> None:
        """Note the SHA-256 of a file whose identity is lasting."""
        self._hashes[_key(identity)] = sha256
        self._is_changed = True

    def save(self) -> None:
        """Keep what was added, if anything was: the last 20,000 files."""
        if not self._is_changed:
            return
        self._is_changed = False
        lines = [f"{key} {sha256}\n" for key, sha256 in list(self._hashes.items())[-MAX_FILES:]]
        text = "".join(lines)
        if _LINES.fullmatch(text):
            self._directory.write(FILE_NAME, text)


def _key(identity: FileIdentity) -> str:
    return " ".join(map(str, identity))


def _parse_known(text: str) -> dict[str, str]:
    """Return the SHA-256 by identity; nothing where a line isn't sound."""
    if not _LINES.fullmatch(text):
        return {}
    pairs = (line.rpartition(" ") for line in text.splitlines())
    return {key: sha256 for key, _, sha256 in pairs}


MAX_ENTRY_BYTES = 32 << 20

_HEX = re.compile("[0-9a-f]*")
_HASH_LENGTH = 64
_PATH_START = _HASH_LENGTH + 2
_FIXED_LINES = 8
_COUNTS = 5


class KnownWheel(Record):
    """What is known of a wheel's bytes: what it says of itself, and what its files hold."""

    facts: WheelFacts
    contents: WheelContents


class WheelCache:
    """A cache in the directory `coral-lock/wheels/v4`, made with mode 0700 if absent.

    Args:
        base: the directory in which it lies, `default_cache_base()` by default.

    Attributes:
        problem: why the cache isn't used, or None: others can write to it, or it can't be
            made.
        files: the SHA-256 of files whose identity is known.
    """

    def __init__(self, base: str | None = None) -> None:
        self._directory = CacheDirectory(base)
        self.problem = self._directory.problem
        self.files = KnownFiles(self._directory)

    def load(self, sha256: str) -> KnownWheel | None:
        """Return what is known of the wheel with this SHA-256, or None.

        An entry that is torn, edited or another wheel's counts as none.
        """
        text = self._directory.read(sha256, MAX_ENTRY_BYTES)
        return None if text is None else _parse(text, sha256)

    def store(self, sha256: str, known: KnownWheel) -> None:
        """Keep what is known of the wheel with this SHA-256, if that is possible.

        What couldn't be read again isn't kept.
        """
        text = _write(known, sha256)
        if _parse(text, sha256) == known:
            self._directory.write(sha256, text)


def _write(known: KnownWheel, sha256: str) -> str:
    facts, contents = known.facts, known.contents
    counts = (
        len(facts.requires),
        len(facts.entry_points),
        len(contents.files),
        len(contents.outside),
        len(contents.commands),
    )
    lines = [
        sha256,
        contents.tag,
        contents.digest,
        facts.dist_info,
        facts.name,
        facts.version,
        facts.requires_python or "",
        " ".join(map(str, counts)),
        *facts.requires,
        *(f"{each.group} {each.value} {each.name}" for each in facts.entry_points),
        *(f"{digest}  {path}" for path, digest in sorted(contents.files.items())),
        *(f"{digest}  {path}" for path, digest in sorted(contents.outside.items())),
        *contents.commands,
    ]
    return "\n".join(lines) + "\n"


def _parse(text: str, sha256: str) -> KnownWheel | None:
    """Return what an entry says of the wheel with this SHA-256, or None where it is no entry."""
    lines = text.split("\n")
    if len(lines) <= _FIXED_LINES or lines[0] != sha256 or lines[-1]:
        return None
    del lines[-1]
    _, tag, digest, dist_info, name, version, requires_python, stated = lines[:_FIXED_LINES]
    counts = [int(count) for count in stated.split(" ") if _is_count(count)]
    if len(counts) != _COUNTS or sum(counts) != len(lines) - _FIXED_LINES or not _is_digest(digest):
        return None
    requires, points, site, other, commands = _parts(lines[_FIXED_LINES:], counts)
    entry_points, files, outside = _entry_points(points), _files(site), _files(other)
    if entry_points is None or files is None or outside is None:
        return None
    return KnownWheel(
        facts=WheelFacts(
            dist_info=dist_info,
            name=name,
            version=version,
            requires=tuple(requires),
            entry_points=entry_points,
            requires_python=requires_python or None,
        ),
        contents=WheelContents(
            tag=tag, digest=digest, files=files, outside=outside, commands=tuple(commands)
        ),
    )


def _parts(lines: Sequence[str], counts: Sequence[int]) -> Iterator[Sequence[str]]:
    """Yield as many of the lines as each count says."""
    start = 0
    for count in counts:
        yield lines[start : start + count]
        start += count


def _entry_points(lines: Iterable[str]) -> tuple[EntryPoint, ...] | None:
    parts = [line.split(" ", 2) for line in lines]
    if any(len(each) != 3 for each in parts):
        return None
    return tuple(EntryPoint(group=group, name=name, value=value) for group, value, name in parts)


def _files(lines: Sequence[str]) -> dict[str, str] | None:
    files = {line[_PATH_START:]: line[:_HASH_LENGTH] for line in lines}
    if "" in files or len(files) < len(lines) or list(files) != sorted(files):
        return None
    separators = {line[_HASH_LENGTH:_PATH_START] for line in lines}
    is_sound = separators <= {"  "} and _HEX.fullmatch("".join(files.values()))
    return files if is_sound else None


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _is_digest(text: str) -> bool:
    return text.startswith(DIGEST_PREFIX) and len(text) == len(DIGEST_PREFIX) + 44
