"""What a device accepts: signatures, channel and serial of a lock against keyring and record."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from coral_lock.errors import (
    CoralLockError,
    ProblemsError,
    WriteError,
)
from coral_lock.lockfile.file import decode_lock, read_lock_bytes
from coral_lock.lockfile.text import read_lock
from coral_lock.safe_files import sync_directory, write_durably
from coral_lock.signing.accepted import (
    ACCEPTED_FILE,
    DEFAULT_TRUST_DIRECTORY,
    AcceptedLock,
    Channel,
    Floor,
    KeySet,
    NoRecordError,
    Rotation,
    accepted_text,
    read_accepted,
)
from coral_lock.signing.envelope import (
    DEFAULT_CHANNEL,
    Envelope,
    Statement,
    load_envelope,
    read_statement,
)
from coral_lock.signing.keyring import Keyring, load_keyring
from coral_lock.signing.keys import key_id, shown_keys, valid_signers
from coral_lock.signing.refusals import (
    below_floor,
    other_bytes,
    other_channel,
    other_lock,
    too_few_signatures,
)

_LOCK_FILE = "accept.lock"


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What is to be accepted.

    Attributes:
        lock: the file of the lock.
        signature: that of its envelope.
        keyring: the directory of the keyring.
        channel: that of the device, None for what the keyring's configuration says.
        trust_directory: where the record is, None for `/var/lib/coral-lock`.
        rollback: the reason for accepting a serial below the floor, None where there is none.
        keeps_previous: whether the lock accepted before may still start.
    """

    lock: str
    signature: str
    keyring: str
    channel: str | None = None
    trust_directory: str | None = None
    rollback: str | None = None
    keeps_previous: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """What became of a request.

    Attributes:
        name: of the channel.
        channel: what is accepted for it now.
        changed: whether that isn't what was accepted before.
        path: the file of the record.
        notes: what whoever deploys should know, in sentences.
    """

    name: str
    channel: Channel
    changed: bool
    path: str
    notes: tuple[str, ...] = ()


def accept_lock(request: Request) -> Accepted:
    """Verify a lock's signatures and its serial, and write down that it may start.

    Nothing is written before all is verified, and nothing if it is accepted already.

    Raises:
        SignatureError: too few signatures are valid, or the lock isn't the one that was signed.
        RollbackError: the serial is below the floor, or another lock has it.
        InputError: a file can't be read or written, or the lock is for another channel.
        ProblemsError: several of these.
    """
    content = read_lock_bytes(request.lock)
    envelope = load_envelope(request.signature)
    keyring = load_keyring(request.keyring, is_trusted=True)
    name = request.channel or keyring.channel or DEFAULT_CHANNEL
    with _only_run(request.trust_directory) as path:
        channels = _recorded(request.trust_directory)
        _remove_unfinished(os.path.dirname(path))
        before = channels.get(name)
        sha256 = hashlib.sha256(content).hexdigest()
        verified = _verified_again(envelope, keyring, before, sha256) or _verified(
            envelope, trusted_keys(keyring, before), keyring.key_set, request
        )
        read_lock(decode_lock(content, request.lock), request.lock)
        after = judge(
            verified, before, keyring=keyring, channel=name, sha256=sha256, request=request
        )
        if after != before:
            write_durably(path, accepted_text({**channels, name: after}), mode=0o644)
    return Accepted(
        name=name,
        channel=after,
        changed=after != before,
        path=path,
        notes=tuple(_notes(name, keyring, before, after)),
    )


def trusted_keys(keyring: Keyring, before: Channel | None) -> KeySet:
    """Return the keys that count: those that a lock brought, while the keyring is as it was then.

    A keyring that has been changed since then counts again: so an administrator gets back to it.
    """
    rotation = before.rotation if before else None
    if rotation is not None and rotation.replaces == keyring.key_set:
        return rotation.keys
    return keyring.key_set


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """A statement that enough keys have signed.

    Attributes:
        statement: what they signed.
        signers: the ids of those whose signatures are valid, sorted.
        trusted: the keys that counted.
    """

    statement: Statement
    signers: tuple[str, ...]
    trusted: KeySet


def judge(
    verified: Verified,
    before: Channel | None,
    *,
    keyring: Keyring,
    channel: str,
    sha256: str,
    request: Request,
) -> Channel:
    """Return what is accepted for a channel once a lock is that enough keys have signed.

    Args:
        verified: what they signed.
        before: what is accepted for the channel so far, if anything is.
        keyring: the keyring.
        channel: that of the device.
        sha256: of the lock's bytes.
        request: what was asked for.

    Raises:
        CoralLockError: it isn't acceptable, as in `accept_lock`.
    """
    statement, signers, trusted = verified.statement, verified.signers, verified.trusted
    problems: list[CoralLockError] = []
    if statement.sha256 != sha256:
        problems.append(other_bytes(statement, sha256, request.lock, request.signature))
    if statement.channel != channel:
        problems.append(other_channel(statement, channel, request.signature))
    ids = {key_id(public) for public in trusted.keys}
    floors = dict(before.floors) if before else {}
    is_same = (
        before is not None
        and (before.accepted.sha256, before.accepted.serial) == (sha256, statement.serial)
        and not ids.isdisjoint(before.accepted.signers)
    )
    known = [floors[each] for each in sorted(ids) if each in floors]
    highest = max((each.serial for each in known), default=0)
    # After a rollback, what is accepted is below the floors.
    for lock in (before.accepted, before.previous) if before else ():
        if lock is not None and not ids.isdisjoint(lock.signers):
            known.append(Floor(serial=lock.serial, sha256=lock.sha256))
    rollback = before.accepted.rollback if before and is_same else None
    configured = keyring.floors.get(channel, 0)
    if not problems:
        if any(each.serial == statement.serial and each.sha256 != sha256 for each in known):
            problems.append(other_lock(statement, known, request.signature, highest))
        elif statement.serial < configured:
            hint = "`floors` in `keyring.yaml` of the keyring holds in any case"
            problems.append(
                below_floor(statement, configured, "configured floor", hint, request.signature)
            )
        elif statement.serial < highest and not is_same:
            if request.rollback is None:
                hint = (
                    "if this device is to go back, say why: "
                    "`coral-runtime accept --allow-rollback REASON`"
                )
                problems.append(below_floor(statement, highest, "floor", hint, request.signature))
            rollback = request.rollback
    if len(problems) == 1:
        raise problems[0]
    if problems:
        code = max(each.exit_code for each in problems)
        raise ProblemsError(
            f"`{request.lock}` isn't accepted, for {len(problems)} reasons",
            tuple(problems),
            exit_code=code,
        )
    present = set(signers)
    if statement.trust is not None:
        present |= {key_id(public) for public in statement.trust.keys}
    floor = Floor(serial=statement.serial, sha256=sha256)
    for each in present:
        if each not in floors or floors[each].serial < statement.serial:
            floors[each] = floor
    previous = None
    if before is not None and request.keeps_previous:
        previous = before.previous if is_same else before.accepted
    return Channel(
        accepted=AcceptedLock(
            sha256=sha256, serial=statement.serial, signers=signers, rollback=rollback
        ),
        previous=previous,
        floors=dict(sorted(floors.items())),
        rotation=_rotation(verified, keyring.key_set, before.rotation if before else None),
    )


def _rotation(verified: Verified, keyring: KeySet, before: Rotation | None) -> Rotation | None:
    """Return the keys that count from now on, None where those of the keyring do."""
    if verified.statement.trust is None:
        return before if before and before.replaces == keyring else None
    if verified.statement.trust == verified.trusted == keyring:
        return None
    return Rotation(keys=verified.statement.trust, replaces=keyring, under=verified.trusted)


def _verified_again(
    envelope: Envelope, keyring: Keyring, before: Channel | None, sha256: str
) -> Verified | None:
    """Return the statement of the accepted lock that brought other keys, None if it isn't that.

    Its signatures are by the keys that counted before it.
    """
    if before is None or before.rotation is None or before.accepted.sha256 != sha256:
        return None
    rotation = before.rotation
    signers = tuple(valid_signers(envelope, rotation.under.keys))
    if rotation.replaces != keyring.key_set or len(signers) < rotation.under.threshold:
        return None
    statement = read_statement(envelope.payload, "the signature")
    is_same = (statement.serial, statement.trust) == (before.accepted.serial, rotation.keys)
    if not is_same:
        return None
    return Verified(statement=statement, signers=signers, trusted=rotation.under)


def _verified(envelope: Envelope, trusted: KeySet, keyring: KeySet, request: Request) -> Verified:
    """Return the statement of an envelope that enough of the trusted keys have signed."""
    signers = valid_signers(envelope, trusted.keys)
    if len(signers) < trusted.threshold:
        raise too_few_signatures(
            trusted,
            signers,
            count=len(envelope.signatures),
            are_brought=trusted != keyring,
            signature=request.signature,
            keyring=request.keyring,
        )
    return Verified(
        statement=read_statement(envelope.payload, request.signature),
        signers=tuple(signers),
        trusted=trusted,
    )


def _notes(name: str, keyring: Keyring, before: Channel | None, after: Channel) -> Iterator[str]:
    """Yield what happened to the keys of a channel."""
    old = before.rotation if before else None
    threshold = trusted_keys(keyring, before).threshold
    if old is not None and old.replaces != keyring.key_set:
        keys = shown_keys(keyring.key_set, old.keys.threshold)
        yield (
            f"the keyring has changed since a lock brought other keys for `{name}`, "
            f"so the keyring counts: {keys}"
        )
    if after.rotation is not None and (old is None or old.keys != after.rotation.keys):
        keys = shown_keys(after.rotation.keys, threshold)
        yield f"`{name}` trusts the keys that the lock brought from now on: {keys}"


def _recorded(trust_directory: str | None) -> Mapping[str, Channel]:
    """Return what was accepted so far; nothing where there is no record yet.

    Raises:
        NotAcceptedError: somebody else can write there, and could have removed the record.
    """
    try:
        return read_accepted(trust_directory)
    except NoRecordError:
        return {}


def _remove_unfinished(directory: str) -> None:
    """Remove what runs that were killed have half written."""
    for name in os.listdir(directory):
        if name.startswith(f".{ACCEPTED_FILE}.") and name.endswith(".tmp"):
            os.unlink(os.path.join(directory, name))


@contextmanager
def _only_run(trust_directory: str | None) -> Iterator[str]:
    """Keep other runs from the record of a directory, which is made where there is none.

    Yields:
        The path of the record.

    Raises:
        WriteError: the directory can't be made or written to.
    """
    directory = trust_directory or DEFAULT_TRUST_DIRECTORY
    try:
        if not os.path.isdir(directory):
            os.mkdir(directory, 0o755)
            os.chmod(directory, 0o755)
            sync_directory(os.path.dirname(os.path.abspath(directory)))
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        # Nobody else may open it, or whoever did could keep `accept` waiting.
        descriptor = os.open(os.path.join(directory, _LOCK_FILE), flags, 0o600)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise WriteError(
            f"the trust directory can't be written to: {reason}",
            where=directory,
            hint="run it as root, or name another directory with `--trust-dir DIR`",
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield os.path.join(directory, ACCEPTED_FILE)
    finally:
        os.close(descriptor)
