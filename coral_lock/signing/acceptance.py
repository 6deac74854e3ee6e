"""What a device accepts: signatures, channel and serial of a lock against keyring and record."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from coral_lock.errors import (
    CoralLockError,
    ProblemsError,
    UsageError,
)
from coral_lock.lockfile.file import parse_lock, read_lock_bytes
from coral_lock.signing.accepted import (
    AcceptedLock,
    Channel,
    Floor,
    KeySet,
    Rotation,
)
from coral_lock.signing.envelope import (
    DEFAULT_CHANNEL,
    Envelope,
    Statement,
    load_envelope,
    read_statement,
)
from coral_lock.signing.keyring import Keyring, load_keyring, trusted_keys
from coral_lock.signing.keys import key_id, shown_keys, valid_signers
from coral_lock.signing.recording import only_run, recorded, write_record
from coral_lock.signing.refusals import (
    below_floor,
    other_bytes,
    other_channel,
    other_lock,
    too_few_signatures,
)


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
        forgets: the channels of which nothing is accepted any more.
    """

    lock: str
    signature: str
    keyring: str
    channel: str | None = None
    trust_directory: str | None = None
    rollback: str | None = None
    keeps_previous: bool = False
    forgets: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepted:
    """What became of a request.

    Attributes:
        name: of the channel.
        channel: what is accepted for it now.
        changed: whether the record was written.
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
    if name in request.forgets:
        raise UsageError(
            f"`{name}` is the channel of the lock that is to be accepted, and can't be forgotten",
            hint=f"remove `--forget {name}`",
        )
    with only_run(request.trust_directory) as path:
        channels = recorded(request.trust_directory)
        before = channels.get(name)
        sha256 = hashlib.sha256(content).hexdigest()
        verified = _verified_again(envelope, keyring, before, sha256) or _verified(
            envelope, trusted_keys(keyring, before), keyring.key_set, request
        )
        parse_lock(content, request.lock)
        after = judge(
            verified, before, keyring=keyring, channel=name, sha256=sha256, request=request
        )
        others = {each: channels[each] for each in channels if each != name}
        kept = {each: others[each] for each in others if each not in request.forgets}
        changed = after != before or kept != others
        if changed:
            write_record(path, {**kept, name: after})
    return Accepted(
        name=name,
        channel=after,
        changed=changed,
        path=path,
        notes=(
            *_notes(name, keyring, before, after),
            *_startable(name, others, request.forgets),
        ),
    )


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
        rotation=_rotation(
            verified,
            keyring.key_set,
            before.rotation if before else None,
            is_below=statement.serial < highest,
        ),
    )


def _rotation(
    verified: Verified, keyring: KeySet, before: Rotation | None, *, is_below: bool
) -> Rotation | None:
    """Return the keys that count from now on, None where those of the keyring do.

    A lock below the floor brings none: else a device that goes back would trust keys again that
    were replaced since.
    """
    if verified.statement.trust is None or is_below:
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


def _startable(
    name: str, others: Mapping[str, Channel], forgotten: Collection[str]
) -> Iterator[str]:
    """Yield which channels besides `name` a lock may start from, or could until now."""
    for other, channel in others.items():
        if other in forgotten:
            yield f"forgot the channel `{other}`, its serials too"
        else:
            yield (
                f"the lock of the channel `{other}` may start too, serial "
                f"{channel.accepted.serial}: if that is over, pass `--forget {other}`"
            )
