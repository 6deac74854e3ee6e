"""Signing a lock: a statement about it, or one more signature of the statement that is there."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coral_lock.errors import InputError, UsageError
from coral_lock.lockfile.file import parse_lock, read_lock_bytes
from coral_lock.safe_files import write_durably
from coral_lock.signing.accepted import MAX_SERIAL, KeySet
from coral_lock.signing.envelope import (
    DEFAULT_CHANNEL,
    Envelope,
    Signature,
    Statement,
    load_envelope,
    read_statement,
)
from coral_lock.signing.keyring import CONFIGURATION, Keyring, load_keyring
from coral_lock.signing.keys import PrivateKey, key_id, shown_keys


@dataclass(frozen=True, kw_only=True, slots=True)
class Signed:
    """A lock that is signed.

    Attributes:
        statement: what is said of it.
        key_ids: the ids of the keys that signed now.
        others: the ids that other signatures in the envelope name, which nobody has verified.
        changed: whether the envelope was written.
    """

    statement: Statement
    key_ids: tuple[str, ...]
    others: tuple[str, ...]
    changed: bool


def load_trust(directory: str) -> Keyring:
    """Return the keyring whose keys devices are to trust from a lock on.

    Its threshold travels with the keys, in place of that of the devices, so it must be written
    down where there is a choice.

    Raises:
        InputError: `keyring.yaml` has no threshold, or the keyring can't be read.
        ProblemsError: several things are wrong with it.
    """
    keyring = load_keyring(directory)
    count = len(keyring.key_set.keys)
    if count > 1 and not keyring.has_threshold:
        raise InputError(
            f"nothing says how many of the {count} keys have to sign from then on",
            expected=f"`threshold` in `{CONFIGURATION}`, from 1 to {count}",
            where=os.path.join(directory, CONFIGURATION),
            hint="write it there, as `threshold: 2`: it takes the place of that of the devices",
        )
    return keyring


def sign_lock(
    lock: str,
    signature: str,
    keys: Sequence[PrivateKey],
    *,
    channel: str | None = None,
    serial: int | None = None,
    trust: KeySet | None = None,
) -> Signed:
    """Sign a lock, and write its envelope.

    Where the envelope that is there is about this very lock, the signatures are added to it. Nobody
    has verified it, so nothing but the serial is taken from it: what else it says has to be said
    again.

    Args:
        lock: the file of the lock.
        signature: that of its envelope.
        keys: who signs.
        channel: for which devices the lock is; None for `default`.
        serial: its number among the locks of the channel; None for what the envelope says.
        trust: the keys that count from this lock on, None where they stay.

    Raises:
        InputError: a file can't be read or written, or the envelope is about another lock and
            there is no higher serial.
    """
    content = read_lock_bytes(lock)
    parse_lock(content, lock)
    sha256 = hashlib.sha256(content).hexdigest()
    before = load_envelope(signature) if os.path.lexists(signature) else None
    old = read_statement(before.payload, signature) if before else None
    statement = _statement(sha256, old, signature, channel, serial, trust)
    if before is None or statement != old:
        before = Envelope(payload=statement.payload(), signatures=())
    own = {key_id(key.public): key.sign(before.payload) for key in keys}
    after = _with_signatures(before, own)
    changed = after != before
    if changed:
        write_durably(signature, after.text())
    return Signed(
        statement=statement,
        key_ids=tuple(sorted(own)),
        others=tuple(each.key_id for each in after.signatures if each.key_id not in own),
        changed=changed,
    )


def _statement(
    sha256: str,
    old: Statement | None,
    path: str,
    channel: str | None,
    serial: int | None,
    trust: KeySet | None,
) -> Statement:
    """Return what is to be signed: `old`, where nothing else is asked for."""
    wanted = channel or DEFAULT_CHANNEL
    if old is not None and old.channel != wanted:
        raise InputError(
            "the signature file is for another channel",
            expected=wanted,
            found=old.channel,
            where=path,
            hint=f"pass `--channel {old.channel}` if that is meant, or write this one to a file of "
            "its own with `--signature FILE`; to start over, remove the file, and pass a serial "
            f"higher than that of any lock of `{wanted}` before",
        )
    if old is not None and old.sha256 == sha256 and serial in (None, old.serial):
        if old.trust is not None and trust is None:
            raise InputError(
                "the signature file brings keys for devices to trust, and nobody has verified it",
                found=shown_keys(old.trust),
                where=path,
                hint="if that is meant, pass the same keys with `--trust KEYRING_DIR`; else remove "
                "the file",
            )
        if old.trust == trust:
            return old
    if old is not None and old.serial == MAX_SERIAL:
        raise InputError(
            "the signature file has the highest serial that there is",
            found=str(old.serial),
            where=path,
            hint="if none of your releases wrote that, remove the file",
        )
    lowest = 1 if old is None else old.serial + 1
    if serial is None:
        words = ["coral-runtime", "sign", "--key", "FILE", "--serial", str(lowest)]
        raise UsageError(
            "the lock has no serial yet"
            if old is None
            else "what was signed is another lock, or had other keys to trust",
            expected="`--serial N`, higher than that of any lock of the channel before",
            found=None if old is None else f"the serial {old.serial} in `{path}`",
            hint=f"`{shlex.join(words)}`",
        )
    if serial < lowest:
        raise InputError(
            f"the serial {serial} isn't higher than that of the lock that was signed before",
            expected=f"at least {lowest}",
            where=path,
            hint=f"pass `--serial {lowest}`; if none of your releases wrote the file, remove it",
        )
    return Statement(
        sha256=sha256,
        channel=wanted,
        serial=serial,
        trust=trust,
    )


def _with_signatures(envelope: Envelope, own: Mapping[str, Signature]) -> Envelope:
    """Return an envelope with signatures by key id, in place of those that name these ids."""
    others = (each for each in envelope.signatures if each.key_id not in own)
    signatures = sorted((*others, *own.values()), key=lambda each: (each.key_id, each.content))
    return Envelope(payload=envelope.payload, signatures=tuple(signatures))
