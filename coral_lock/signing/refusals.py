"""Why a signed lock isn't accepted: errors, with what helps."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from coral_lock.errors import InputError, RollbackError, SignatureError
from coral_lock.signing.accepted import MAX_SERIAL, Floor, KeySet
from coral_lock.signing.envelope import Statement
from coral_lock.signing.keys import key_id, shown_ids


def too_few_signatures(
    trusted: KeySet,
    signers: Collection[str],
    *,
    count: int,
    are_brought: bool,
    signature: str,
    keyring: str,
) -> SignatureError:
    """Return that not enough of the keys that count have signed.

    Args:
        trusted: the keys that count.
        signers: the ids of those whose signatures are valid.
        count: how many signatures there are, valid or not.
        are_brought: whether a lock brought the keys, instead of the keyring.
        signature: the file of the signatures.
        keyring: the directory of the keyring.
    """
    missing = {key_id(public) for public in trusted.keys}.difference(signers)
    valid = f": {shown_ids(signers)}" if signers else ""
    hint = f"sign the lock with a key that this device trusts, or look at its keyring: `{keyring}`"
    if are_brought:
        hint = (
            "these keys came with a lock that was accepted: sign with them; or change the keyring "
            f"`{keyring}`, and it counts again"
        )
    return SignatureError(
        "too few signatures of the lock are valid",
        expected=f"{trusted.threshold} of the {'key' if len(trusted.keys) == 1 else 'keys'} "
        f"{shown_ids(map(key_id, trusted.keys))}",
        found=f"{len(signers)} valid, of {count} in the file{valid}; missing: {shown_ids(missing)}",
        where=signature,
        hint=hint,
    )


def other_bytes(statement: Statement, sha256: str, lock: str, signature: str) -> SignatureError:
    """Return that the lock isn't the one that a statement is about."""
    return SignatureError(
        f"`{lock}` isn't the lock that was signed",
        expected=f"sha256 {statement.sha256}",
        found=f"sha256 {sha256}",
        where=signature,
        hint="take lock and signature from one release, or sign the lock again",
    )


def other_channel(statement: Statement, channel: str, signature: str) -> InputError:
    """Return that a statement is about a channel that isn't the device's."""
    return InputError(
        "the lock is for another channel than this device",
        expected=channel,
        found=statement.channel,
        where=signature,
        hint="take the lock of the device's channel; `channel` in `keyring.yaml` says which one it "
        "is, or `--channel NAME`",
    )


def below_floor(
    statement: Statement, floor: int, kind: str, hint: str, signature: str
) -> RollbackError:
    """Return that a serial is below a floor of the channel, of the kind that is named."""
    return RollbackError(
        f"the serial of the lock is below the {kind} of the channel `{statement.channel}`",
        expected=f"at least {floor}",
        found=str(statement.serial),
        where=signature,
        hint=f"deploy a later lock; {hint}",
    )


def other_lock(
    statement: Statement, floors: Iterable[Floor], signature: str, highest: int
) -> RollbackError:
    """Return that one of the floors is another lock with the serial of a statement."""
    (first, *_) = (each.sha256 for each in floors if each.serial == statement.serial)
    later = min(highest + 1, MAX_SERIAL)
    return RollbackError(
        f"another lock with the serial {statement.serial} was accepted for the channel "
        f"`{statement.channel}`",
        expected=f"sha256 {first}",
        found=f"sha256 {statement.sha256}",
        where=signature,
        hint=f"sign this lock with a serial of its own: `coral-runtime sign --serial {later}`",
    )
