"""What a program's children need to be under its lock, and what they leave behind.

A session is a directory of the state directory, mode 0700. Its file `session` tells children
of the lock; the environment variable names it with its SHA-256, and is no anchor of trust:
a child reads the lock and verifies its machine again. A child that refuses, or starts a
process that can't be covered, leaves a marker there, which `run` finds when its program has
ended. The session lives as long as a process of the program holds its lock file.
"""

from __future__ import annotations

import errno
import fcntl
import marshal
import os
import sys

from coral_lock.record import Record
from coral_lock.safe_files import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from coral_lock.errors import InputError
    from coral_lock.finding import Finding

VARIABLE = "CORAL_LOCK_RUN"
"""Names the session to children: `<sha256>:<path>`."""

_FORMAT = 1
_DIRECTORY = "runs"
_FILE = "session"
_MARKERS = "markers"
_MAX_SESSION_BYTES = 16 << 20
_MAX_MARKER_BYTES = 1 << 20
_MAX_MARKERS = 1000


class Session(Record):
    """What a child is told.

    Args:
        lock_path: the lock's absolute path.
        lock_sha256: of its bytes, in hexadecimal.
        integrity: the level at which a child verifies.
        config: the attributes of the configuration that plugins are handed.
        plugin_modules: the modules of the locked entry points.
        has_host: whether a host is installed.
        roots: the site roots of locked distributions.
        names: the top-level names that belong to them.
        unlisted: those of them without a proved list.
        distributions: the names of all locked distributions.
        state_directory: where the parent keeps its bytecode.
        bytecode_directory: the cache itself; None for none.
        is_closed: whether unlocked distributions are invisible.
        closed_entries: the entries of the path in which they are.
        is_strict: whether a process that can't be covered isn't started.
    """

    lock_path: str
    lock_sha256: str
    integrity: str
    config: Mapping[str, Any]
    plugin_modules: tuple[str, ...]
    has_host: bool
    roots: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ()
    state_directory: str | None = None
    bytecode_directory: str | None = None
    is_closed: bool = False
    closed_entries: tuple[str, ...] = ()
    is_strict: bool = False


class Marker(Record):
    """What a child left behind: the exit code it would end with, or None, and its findings."""

    exit_code: int | None
    findings: tuple[Finding, ...]


class OpenSession:
    """The session of a running program.

    Args:
        directory: its own directory.
        descriptor: the lock file, held open by the program and its forks.
    """

    def __init__(self, directory: str, descriptor: int, variable: str) -> None:
        self.directory = directory
        self.variable = variable
        self._descriptor = descriptor

    def markers(self) -> tuple[Marker, ...]:
        """Return what children have left behind so far, in a fixed order."""
        return tuple(_read_markers(os.path.join(self.directory, _MARKERS)))

    def close(self) -> None:
        """Remove the session, unless a fork of the program goes on with it."""
        os.close(self._descriptor)
        _remove_if_ended(self.directory)


def open_session(session: Session, parent: str) -> OpenSession:
    """Write a session down, and remove those that have ended.

    Args:
        session: what children are to know.
        parent: the state directory, which only this user can write to.

    Raises:
        OSError: nothing can be written there, or others can write there too.
    """
    base = os.path.join(parent, _DIRECTORY)
    for directory in (parent, base):
        os.makedirs(directory, mode=0o700, exist_ok=True)
        status = os.stat(directory)
        if status.st_uid not in (os.geteuid(), 0) or status.st_mode & 0o022:
            raise PermissionError(errno.EPERM, "others can write to it", directory)
    for name in sorted(filter(_is_name, os.listdir(base))):
        _remove_if_ended(os.path.join(base, name))
    directory = os.path.join(base, _new_name())
    os.mkdir(directory, 0o700)
    os.mkdir(os.path.join(directory, _MARKERS), 0o700)
    content = marshal.dumps((_FORMAT, {name: getattr(session, name) for name in session._fields}))
    path = os.path.join(directory, _FILE)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    # A program may close, or hand on, the descriptors that it knows: the low ones.
    high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 200)
    os.close(descriptor)
    return OpenSession(directory, high, f"{_sha256(content)}:{path}")


def read_session(variable: str) -> tuple[Session, str]:
    """Return the session that the environment variable names, and its directory.

    Raises:
        InputError: it isn't there, or isn't the one that was written.
    """
    digest, _, path = variable.partition(":")
    try:
        content = read_regular_file(path, _MAX_SESSION_BYTES)
    except OSError as error:
        raise _unusable(
            f"the program that this process belongs to has ended: {error.strerror}", path
        ) from None
    if _sha256(content) != digest:
        raise _unusable("the session isn't the one that the program has written", path)
    _, fields = marshal.loads(content)
    return Session(**fields), os.path.dirname(path)


def _unusable(message: str, path: str) -> InputError:
    from coral_lock.errors import InputError

    return InputError(
        message,
        where=path,
        hint="start the program again with `coral-runtime run --locked`, or unset "
        f"`{VARIABLE}` for what isn't part of it",
    )


def leave_marker(directory: str, marker: Marker) -> None:
    """Leave a marker in a session's directory; where it is gone, nobody asks for it."""
    fields = [finding.to_dict() for finding in marker.findings]
    name = os.path.join(directory, _MARKERS, _new_name())
    try:
        descriptor = os.open(f"{name}.tmp", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(marshal.dumps((marker.exit_code, fields)))
        os.rename(f"{name}.tmp", name)
    except OSError:
        return


def _read_markers(directory: str) -> Iterator[Marker]:
    from coral_lock.finding import Finding

    try:
        names = sorted(name for name in os.listdir(directory) if not name.endswith(".tmp"))
    except OSError:
        return
    for name in names[:_MAX_MARKERS]:
        try:
            content = read_regular_file(os.path.join(directory, name), _MAX_MARKER_BYTES)
            exit_code, findings = marshal.loads(content)
            yield Marker(
                exit_code=exit_code, findings=tuple(Finding(**fields) for fields in findings)
            )
        except (OSError, ValueError, TypeError, EOFError):
            continue


def _remove_if_ended(directory: str) -> None:
    """Remove a session that no process holds any more; only what sessions consist of."""
    path = os.path.join(directory, _FILE)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        markers = os.path.join(directory, _MARKERS)
        for name in filter(_is_name, os.listdir(markers)):
            os.unlink(os.path.join(markers, name))
        os.rmdir(markers)
        os.unlink(path)
        os.rmdir(directory)
    except OSError:
        return
    finally:
        os.close(descriptor)


def _new_name() -> str:
    return f"{os.getpid()}-{os.urandom(8).hex()}"


def _is_name(name: str) -> bool:
    """Whether a name is one of those that sessions and markers get: nothing else is removed."""
    process, _, rest = name.removesuffix(".tmp").partition("-")
    return process.isdigit() and len(rest) == 16 and set(rest) <= set("0123456789abcdef")


def _sha256(content: bytes) -> str:
    """Return the SHA-256 of bytes in hexadecimal; `hashlib` would load OpenSSL for it."""
    name = "_sha2" if sys.version_info >= (3, 12) else "_sha256"
    try:
        module: Any = __import__(name)
    except ImportError:
        module = __import__("hashlib")
    return str(module.sha256(content).hexdigest())
