"""Which locks this device has accepted: what `accept` wrote down, read without cryptography.

A locked start compares one digest with it, so it imports little. The file `accepted.json` of the
trust directory is canonical JSON; nobody but its owner may be able to write to either.
"""

from __future__ import annotations

import os
import stat

from coral_lock import canonical_json
from coral_lock.errors import InputError
from coral_lock.finding import finding_of_error
from coral_lock.names import is_channel
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

    from coral_lock.canonical_json import Value
    from coral_lock.finding import Finding

DEFAULT_TRUST_DIRECTORY = "/var/lib/coral-lock"
ACCEPTED_FILE = "accepted.json"
ACCEPTED_VERSION = "1.0"
MAX_SERIAL = 2**53 - 1
"""The largest number that every reader of JSON takes for itself."""

MAX_KEYS = 64
MAX_RECORD_BYTES = 1 << 20
_LONGEST_REASON = 1000
_HEXADECIMAL = frozenset("0123456789abcdef")


class Acceptance(Record):
    """That a lock was accepted: for which channel, with which serial, and by whose signatures.

    `signers` are the ids of the keys, sorted. `rollback` is the reason that was given for
    accepting a serial below the floor, None where it isn't below.
    """

    channel: str
    serial: int
    signers: tuple[str, ...]
    rollback: str | None = None

    @property
    def message(self) -> str:
        """What a log says of it."""
        reason = "" if self.rollback is None else f", although it is older: {self.rollback}"
        signers = ", ".join(key[:12] for key in self.signers)
        return f"Accepted: serial {self.serial} of {self.channel}, signed by {signers}{reason}"


class AcceptedLock(Record):
    """A lock that may start, by the SHA-256 of its bytes; the rest as in `Acceptance`."""

    sha256: str
    serial: int
    signers: tuple[str, ...]
    rollback: str | None = None


class Floor(Record):
    """The highest serial that was accepted from a key, and the SHA-256 of its lock."""

    serial: int
    sha256: str


class KeySet(Record):
    """Public keys in hexadecimal, sorted, and how many of them have to sign."""

    keys: tuple[str, ...]
    threshold: int


class Rotation(Record):
    """The keys that a lock brought.

    `replaces` are the keys of the keyring then, in whose place they count, and `under` those that
    counted for the lock that brought them.
    """

    keys: KeySet
    replaces: KeySet
    under: KeySet


class Channel(Record):
    """What was accepted for one channel.

    `previous` is the lock accepted before, while that may still start. `floors` go by key id, and
    stay when a key isn't trusted any more. `rotation` is None while the keyring counts.
    """

    accepted: AcceptedLock
    previous: AcceptedLock | None = None
    floors: Mapping[str, Floor] = {}
    rotation: Rotation | None = None


class NotAcceptedError(InputError):
    """Nothing says that any lock was accepted: the record is missing, or can't be trusted."""


class NoRecordError(NotAcceptedError):
    """There is no record, in a directory that can be trusted."""


def accepted_lock(sha256: str, trust_directory: str | None = None) -> Acceptance | None:
    """Return the acceptance of a lock, None where it isn't accepted.

    Args:
        sha256: of the lock's bytes, in hexadecimal.
        trust_directory: the directory with the record; None for `/var/lib/coral-lock`.

    Raises:
        NotAcceptedError: there is no record, or it can't be trusted.
    """
    return _acceptances(trust_directory).get(sha256)


def _acceptances(trust_directory: str | None) -> dict[str, Acceptance]:
    """Return the locks that may start, by the SHA-256 of their bytes."""
    return {
        lock.sha256: Acceptance(
            channel=name, serial=lock.serial, signers=lock.signers, rollback=lock.rollback
        )
        for name, channel in reversed(read_accepted(trust_directory).items())
        for lock in (channel.previous, channel.accepted)
        if lock is not None
    }


def find_acceptance(
    sha256: str, lock_path: str, trust_directory: str | None
) -> tuple[Acceptance | None, tuple[Finding, ...]]:
    """Return the acceptance of a lock, or the finding that it isn't accepted.

    Args:
        sha256: of the lock's bytes, in hexadecimal.
        lock_path: the lock.
        trust_directory: see `accepted_lock`.
    """
    try:
        acceptances = _acceptances(trust_directory)
        if acceptance := acceptances.get(sha256):
            return acceptance, ()
        error = NotAcceptedError(
            f"`{lock_path}` isn't the lock that was accepted on this device",
            expected=" or ".join(f"sha256 {each}" for each in sorted(acceptances)),
            found=f"sha256 {sha256}",
            where=lock_path,
            hint="restore the lock that was accepted, or accept this one with its signature: "
            "`coral-runtime accept`",
        )
    except NotAcceptedError as problem:
        error = problem
        error.message = f"nothing says that `{lock_path}` was accepted: {error.message}"
    return None, (finding_of_error(error, "lock-not-accepted", "lock"),)


def read_accepted(trust_directory: str | None = None) -> dict[str, Channel]:
    """Return what was accepted, by channel.

    Args:
        trust_directory: the directory with the record; None for `/var/lib/coral-lock`.

    Raises:
        NotAcceptedError: there is no record, or somebody else than its owner can write to it or
            replace it, or it isn't one that `accept` wrote.
    """
    directory = trust_directory or DEFAULT_TRUST_DIRECTORY
    path = os.path.join(directory, ACCEPTED_FILE)
    owners = {0} if trust_directory is None else {0, os.geteuid()}
    hint = "run `coral-runtime accept` first"
    try:
        inside = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotAcceptedError("there is no record of it", where=path, hint=hint) from None
    except (OSError, ValueError) as error:
        raise _unreadable(error, directory) from None
    try:
        _require_owned(os.fstat(inside), directory, owners, "directory")
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(ACCEPTED_FILE, flags, dir_fd=inside)
        except FileNotFoundError:
            raise NoRecordError("there is no record of it", where=path, hint=hint) from None
        except OSError as error:
            raise _unreadable(error, path) from None
    finally:
        os.close(inside)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotAcceptedError("the record isn't a regular file", where=path)
        _require_owned(status, path, owners, "file")
        content = b""
        most = MAX_RECORD_BYTES
        while len(content) <= most and (chunk := os.read(descriptor, most + 1)):
            content += chunk
    finally:
        os.close(descriptor)
    if len(content) > MAX_RECORD_BYTES:
        raise NotAcceptedError(
            f"the record is larger than {MAX_RECORD_BYTES} bytes", where=path, hint=_RESTORE
        )
    try:
        return parse_accepted(content.decode("utf-8"))
    except _Malformed as error:
        raise NotAcceptedError(
            f"the record is damaged: {error}", where=path, hint=_RESTORE
        ) from None
    except UnicodeDecodeError:
        raise NotAcceptedError(
            "the record is damaged: it isn't UTF-8", where=path, hint=_RESTORE
        ) from None


_RESTORE = (
    "restore it from a backup; without it, only the keyring's configuration knows the lowest "
    "serial that may be accepted"
)


def _unreadable(error: OSError | ValueError, path: str) -> NotAcceptedError:
    reason = getattr(error, "strerror", None) or str(error)
    if os.path.islink(path):
        reason = "it is a symbolic link"
    return NotAcceptedError(f"the record can't be read: {reason}", where=path)


def _require_owned(status: os.stat_result, path: str, owners: set[int], what: str) -> None:
    """Refuse a file or directory that others than `owners` can change."""
    if status.st_uid not in owners:
        raise NotAcceptedError(
            f"the {what} of the record belongs to somebody else",
            expected="root" if owners == {0} else "root, or the user that starts",
            found=f"the user {status.st_uid}",
            where=path,
            hint="find out who wrote it, and run `coral-runtime accept` as root",
        )
    if status.st_mode & 0o022:
        raise NotAcceptedError(
            f"others than its owner can write to the {what} of the record",
            found=f"mode {status.st_mode & 0o7777:04o}",
            where=path,
            hint=f"find out who could, and run `chmod go-w {path}`",
        )


# Text ⇄ records.


class _Malformed(ValueError):
    """The text isn't a record that `accept` wrote."""


def accepted_text(channels: Mapping[str, Channel]) -> str:
    """Return the canonical text of what was accepted, by channel."""
    return canonical_json.write(
        {
            "accepted_version": ACCEPTED_VERSION,
            "channels": {name: _channel_object(each) for name, each in sorted(channels.items())},
        }
    )


def _channel_object(channel: Channel) -> Value:
    previous, rotation = channel.previous, channel.rotation
    return {
        "accepted": _lock_object(channel.accepted),
        "previous": None if previous is None else _lock_object(previous),
        "floors": {key: floor.to_dict() for key, floor in sorted(channel.floors.items())},
        "rotation": None
        if rotation is None
        else {name: _key_set_object(keys) for name, keys in rotation.to_dict().items()},
    }


def _lock_object(lock: AcceptedLock) -> Value:
    return {**lock.to_dict(), "signers": list(lock.signers)}


def _key_set_object(keys: KeySet) -> Value:
    return {"keys": list(keys.keys), "threshold": keys.threshold}


def parse_accepted(text: str) -> dict[str, Channel]:
    """Return what `accepted_text` wrote, by channel.

    Raises:
        ValueError: the text is something else.
    """
    try:
        document = canonical_json.parse(text)
    except canonical_json.NotCanonicalError as error:
        raise _Malformed(f"line {error.line}: {error}") from None
    version, channels = _fields(document, "accepted_version", "channels")
    if version != ACCEPTED_VERSION:
        raise _Malformed(f"it has the format version {version!r}, not {ACCEPTED_VERSION!r}")
    if not isinstance(channels, dict):
        _refuse("channels")
    found = {name: _channel(name, each) for name, each in channels.items()}
    if accepted_text(found) != text:
        raise _Malformed("it isn't in canonical form")
    return found


def _refuse(what: str) -> NoReturn:
    raise _Malformed(f"`{what}` has a wrong value")


def _fields(value: Value, *names: str) -> tuple[Value, ...]:
    """Return the values of an object that has exactly these keys."""
    if not isinstance(value, dict) or tuple(value) != names:
        raise _Malformed(f"expected an object with {', '.join(f'`{name}`' for name in names)}")
    return tuple(value.values())


def _channel(name: str, value: Value) -> Channel:
    if not is_channel(name):
        _refuse("channels")
    accepted, previous, floors, rotation = _fields(
        value, "accepted", "previous", "floors", "rotation"
    )
    if not isinstance(floors, dict):
        _refuse("floors")
    return Channel(
        accepted=_lock(accepted),
        previous=None if previous is None else _lock(previous),
        floors={_hexadecimal(key, "floors"): _floor(each) for key, each in floors.items()},
        rotation=None if rotation is None else _rotation(rotation),
    )


def _lock(value: Value) -> AcceptedLock:
    sha256, serial, signers, rollback = _fields(value, "sha256", "serial", "signers", "rollback")
    if rollback is not None and not (isinstance(rollback, str) and is_reason(rollback)):
        _refuse("rollback")
    return AcceptedLock(
        sha256=_hexadecimal(sha256, "sha256"),
        serial=_serial(serial),
        signers=_sorted_hexadecimal(signers, "signers"),
        rollback=rollback,
    )


def _floor(value: Value) -> Floor:
    serial, sha256 = _fields(value, "serial", "sha256")
    return Floor(serial=_serial(serial), sha256=_hexadecimal(sha256, "sha256"))


def _rotation(value: Value) -> Rotation:
    keys, replaces, under = map(_key_set, _fields(value, "keys", "replaces", "under"))
    return Rotation(keys=keys, replaces=replaces, under=under)


def _key_set(value: Value) -> KeySet:
    keys, threshold = _fields(value, "keys", "threshold")
    known = _sorted_hexadecimal(keys, "keys")
    if type(threshold) is not int or not 1 <= threshold <= len(known):
        _refuse("threshold")
    return KeySet(keys=known, threshold=threshold)


def _serial(value: Value) -> int:
    if type(value) is not int or not 1 <= value <= MAX_SERIAL:
        _refuse("serial")
    return value


def _hexadecimal(value: Value, what: str) -> str:
    """Return a digest, a key id or a key: 64 hexadecimal digits."""
    if not (isinstance(value, str) and len(value) == 64 and _HEXADECIMAL.issuperset(value)):
        _refuse(what)
    return value


def _sorted_hexadecimal(value: Value, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_KEYS:
        _refuse(what)
    found = tuple(_hexadecimal(each, what) for each in value)
    if list(found) != sorted(set(found)):
        _refuse(what)
    return found


def is_reason(text: str) -> bool:
    """Whether a text can be the reason of a rollback: printable, on one line, not too long."""
    return 0 < len(text) <= _LONGEST_REASON and text.isprintable() and bool(text.strip())
