"""What a program's children need to be under its lock, and what they report to it.

A session is a directory of the state directory, mode 0700. Its file `session` tells children
about the lock; the environment variable names it with its SHA-256, and isn't trusted: a child
reads the lock and verifies its machine again. A child that refuses, or starts a process that
can't be covered, adds a line to the file `markers`, which `run` reads after its program has
ended. The session exists as long as a process of the program holds the lock on its file.
"""

from __future__ import annotations

import fcntl
import marshal
import os
import sys

from coral_lock.errors import INTEGRITY, InputError
from coral_lock.record import Record
from coral_lock.safe_files import make_private_directories, read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from coral_lock.canonical_json import Value
    from coral_lock.finding import Finding

    Marker = tuple["int | None", tuple[Finding, ...]]

VARIABLE = "CORAL_LOCK_RUN"
"""Names the session to children: `<sha256>:<path>`."""

_FILE = "session"
_MARKERS = "markers"
_MAX_BYTES = 16 << 20
_MAX_WARNING_BYTES = 1 << 20
"""How large the markers may be before more of them are dropped that are only warnings."""


class Session(Record):
    """What a child needs to know.

    Args:
        start: the arguments of `prepare_locked`: which lock a child verifies, and how.
        config: the attributes of the configuration that plugins are handed.
        plugin_modules: the modules of the locked entry points.
        has_host: whether a host is installed.
        index: the fields of the `ImportIndex`, None if nothing is proved.
        bytecode_directory: the cache of the parent, or None.
        is_strict: whether a process that can't be covered isn't started.
        startup: the unlocked files at the start of Python that the parent has reported.
    """

    start: Mapping[str, Any]
    config: Mapping[str, Any]
    plugin_modules: tuple[str, ...]
    has_host: bool
    index: Mapping[str, Any] | None
    bytecode_directory: str | None
    is_strict: bool
    startup: tuple[str, ...]


class OpenSession:
    """The session of a running program.

    Args:
        directory: its own directory.
        descriptor: the lock file, held open by the program and its forks.
        variable: the value of the environment variable for children.
    """

    def __init__(self, directory: str, descriptor: int, variable: str) -> None:
        self.directory = directory
        self.variable = variable
        self._descriptor = descriptor

    def markers(self) -> tuple[Marker, ...]:
        """Return what children have reported so far, in that order, see `leave_marker`.

        What else is there may have replaced a refusal: it counts as one, and is said.
        """
        from coral_lock.messages import say_findings

        try:
            with open(os.path.join(self.directory, _MARKERS), "rb") as file:
                lines = file.read(_MAX_BYTES).splitlines()
        except OSError:
            return ()
        markers = []
        for line in lines:
            try:
                markers.append(_read_marker(line))
            except ValueError:
                unreadable = _unreadable_marker(self.directory)
                if (INTEGRITY, (unreadable,)) not in markers:
                    say_findings((unreadable,))
                    markers.append((INTEGRITY, (unreadable,)))
        return tuple(markers)

    def close(self) -> None:
        """Remove the session, unless a fork of the program still uses it."""
        os.close(self._descriptor)
        _remove_if_ended(self.directory)


def open_session(session: Session, parent: str) -> OpenSession:
    """Write a session, and remove those that have ended.

    Args:
        session: what children need to know.
        parent: the state directory, which only this user can write to.

    Raises:
        OSError: it can't be written, or others can write there too.
    """
    base = os.path.join(parent, "runs")
    make_private_directories((parent, base))
    for name in os.listdir(base):
        _remove_if_ended(os.path.join(base, name))
    directory = os.path.join(base, f"{os.getpid()}-{os.urandom(8).hex()}")
    os.mkdir(directory, 0o700)
    content = marshal.dumps(session.to_dict())
    path = os.path.join(directory, _FILE)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    os.close(os.open(os.path.join(directory, _MARKERS), os.O_CREAT | os.O_EXCL, 0o600))
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    # A program may close, or pass on, the descriptors that it knows: the low ones.
    high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 200)
    os.close(descriptor)
    return OpenSession(directory, high, f"{_sha256(content)}:{path}")


def read_session(variable: str) -> tuple[Session, str]:
    """Return the session that the environment variable names, and its directory.

    Raises:
        InputError: it is missing, or isn't the one that was written.
    """
    digest, _, path = variable.partition(":")
    try:
        content = read_regular_file(path, _MAX_BYTES)
        message = "the session has been changed"
    except OSError as error:
        content = b""
        message = f"the program that this process belongs to has ended: {error.strerror}"
    if _sha256(content) != digest:
        raise InputError(
            message,
            where=path,
            hint="start the program again with `coral-runtime run --locked`, or unset "
            f"`{VARIABLE}` for what isn't part of it",
        )
    return Session(**marshal.loads(content)), os.path.dirname(path)


def leave_marker(
    directory: str | None, exit_code: int | None, findings: tuple[Finding, ...]
) -> None:
    """Report to the program that a session belongs to; nothing happens if the session is gone.

    Args:
        directory: that of the session, None if there is none.
        exit_code: what this process would end with, None for warnings alone.
        findings: why.
    """
    if directory is None:
        return
    # Few children leave any, and every child pays for what is imported above.
    from coral_lock import canonical_json

    content = canonical_json.write([exit_code, [finding.to_dict() for finding in findings]])
    line = content.encode("utf-8", "surrogatepass").hex() + "\n"
    try:
        path = os.path.join(directory, _MARKERS)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
        try:
            if exit_code is not None or os.fstat(descriptor).st_size < _MAX_WARNING_BYTES:
                os.write(descriptor, line.encode("ascii"))
        finally:
            os.close(descriptor)
    except OSError:
        return


def _read_marker(line: bytes) -> Marker:
    """Return what `leave_marker` wrote.

    Any process of this user can write there, so it isn't trusted.

    Raises:
        ValueError: it is something else.
    """
    from coral_lock import canonical_json
    from coral_lock.finding import Finding

    text = bytes.fromhex(line.decode("ascii")).decode("utf-8", "surrogatepass")
    document = canonical_json.parse(text)
    if not isinstance(document, list) or len(document) != 2:
        raise ValueError
    code, objects = document
    is_code = code is None or (type(code) is int and 0 <= code <= INTEGRITY)
    if not is_code or not isinstance(objects, list) or not all(map(_has_form_of_finding, objects)):
        raise ValueError
    return code, tuple(Finding(**fields) for fields in objects)


def _has_form_of_finding(fields: Value) -> bool:
    from coral_lock.finding import ERROR, WARNING, Finding

    return (
        isinstance(fields, dict)
        and tuple(fields) == Finding._fields
        and fields["severity"] in (ERROR, WARNING)
        and all(isinstance(fields[name], str) for name in ("code", "subject", "summary"))
        and all(value is None or isinstance(value, str) for value in fields.values())
    )


def _unreadable_marker(directory: str) -> Finding:
    from coral_lock.finding import Finding

    return Finding(
        code="uncovered-child",
        subject="children",
        summary="what a process of the program reported can't be read, so it may have refused",
        where=os.path.join(directory, _MARKERS),
        hint="find out which process wrote there",
    )


def _remove_if_ended(directory: str) -> None:
    """Remove a session that no process holds any more, if it has nothing but our files."""
    process, _, rest = os.path.basename(directory).partition("-")
    if not process.isdigit() or len(rest) != 16 or set(rest) - set("0123456789abcdef"):
        return
    path = os.path.join(directory, _FILE)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(os.path.join(directory, _MARKERS))
            os.unlink(path)
            os.rmdir(directory)
        finally:
            os.close(descriptor)
    except OSError:
        return


def _sha256(content: bytes) -> str:
    """Return the SHA-256 of bytes in hexadecimal; `hashlib` would load OpenSSL for it."""
    try:
        module: Any = __import__("_sha2" if sys.version_info >= (3, 12) else "_sha256")
    except ImportError:
        module = __import__("hashlib")
    return str(module.sha256(content).hexdigest())
