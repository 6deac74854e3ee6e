"""`coral-runtime trust`: what this device has accepted, and whose signatures count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import click

from coral_lock.canonical_json import Value
from coral_lock.cli.application import declared_options
from coral_lock.cli.formats import emit, format_option
from coral_lock.cli.grammar import TRUST_OPTION
from coral_lock.errors import HOLDS
from coral_lock.rendering.outcome import Outcome
from coral_lock.signing.accepted import (
    AcceptedLock,
    Channel,
    KeySet,
    NoRecordError,
    read_accepted,
)
from coral_lock.signing.envelope import DEFAULT_CHANNEL, load_envelope, read_statement
from coral_lock.signing.keyring import DEFAULT_KEYRING, Keyring, load_keyring, trusted_keys
from coral_lock.signing.keys import key_id, shown_ids, shown_keys


@click.command()
@click.option(
    "--keyring",
    metavar="DIR",
    default=DEFAULT_KEYRING,
    show_default=True,
    help="The public keys that this device trusts.",
)
@declared_options(TRUST_OPTION)
@click.option(
    "--signature",
    metavar="FILE",
    help="Show what a file of signatures says, instead of this device. Nothing is verified.",
)
@format_option("text", "json")
def trust(keyring: str, trust_dir: str | None, signature: str | None, output_format: str) -> int:
    """Show what this device has accepted by channel, and which keys count for the next lock.

    Keys are named by the ids that `keygen` prints. Nothing is changed. It needs
    `coral-lock[sign]`.

    \b
    Examples:
      coral-runtime trust
      coral-runtime trust --output-format json
      coral-runtime trust --signature coral.lock.sig
    """
    if signature is not None:
        outcome = _of_signature(signature)
    else:
        try:
            channels = read_accepted(trust_dir)
        except NoRecordError:
            channels = {}
        outcome = _of_device(load_keyring(keyring, is_trusted=True), channels)
    emit(outcome, output_format)
    return HOLDS


def _of_signature(path: str) -> Outcome:
    """Return what a file of signatures says."""
    envelope = load_envelope(path)
    statement = read_statement(envelope.payload, path)
    ids = [each.key_id for each in envelope.signatures]
    document: dict[str, Value] = {
        "channel": statement.channel,
        "serial": statement.serial,
        "sha256": statement.sha256,
        "key_ids": list(ids),
        "trust": None if statement.trust is None else _keys(statement.trust),
    }
    named = shown_ids(each or "one without an id" for each in ids)
    lines = [
        f"serial {statement.serial} of the channel {statement.channel}",
        f"  sha256 {statement.sha256}",
        f"  signatures, not verified: {named}",
    ]
    if statement.trust is not None:
        lines.append(f"  brings the keys {shown_keys(statement.trust)}")
    return Outcome(document=document, text="".join(f"{line}\n" for line in lines))


def _of_device(keyring: Keyring, channels: Mapping[str, Channel]) -> Outcome:
    """Return what a device has accepted, and whose signatures count."""
    own = keyring.channel or DEFAULT_CHANNEL
    names = sorted({own, *channels})
    document: dict[str, Value] = {
        "channel": own,
        "channels": {name: _channel(name, channels.get(name), keyring) for name in names},
    }
    lines: list[str] = []
    for name in names:
        lines += _lines(name, channels.get(name), keyring, is_own=name == own)
    return Outcome(document=document, text="".join(f"{line}\n" for line in lines))


def _channel(name: str, channel: Channel | None, keyring: Keyring) -> Value:
    return {
        "accepted": None if channel is None else _lock(channel.accepted),
        "previous": None
        if channel is None or channel.previous is None
        else _lock(channel.previous),
        "floors": {key: floor.serial for key, floor in channel.floors.items()} if channel else {},
        "configured_floor": keyring.floors.get(name),
        "keys": {
            "from": "lock" if _is_brought(channel, keyring) else "keyring",
            **_keys(trusted_keys(keyring, channel)),
        },
    }


def _lines(name: str, channel: Channel | None, keyring: Keyring, *, is_own: bool) -> Iterator[str]:
    yield f"channel {name}{', which is that of this device' if is_own else ''}"
    if channel is None:
        yield "  accepted: nothing"
    else:
        yield from _lock_lines("accepted", channel.accepted)
        if channel.previous is not None:
            yield from _lock_lines("previous", channel.previous)
    origin = "a lock brought them" if _is_brought(channel, keyring) else "from the keyring"
    yield f"  keys: {shown_keys(trusted_keys(keyring, channel))}; {origin}"
    if channel is not None:
        floors = (f"{key[:12]} {floor.serial}" for key, floor in channel.floors.items())
        yield f"  floors: {', '.join(floors)}"
    if name in keyring.floors:
        yield f"  floor of the keyring: {keyring.floors[name]}"


def _lock_lines(what: str, lock: AcceptedLock) -> Iterator[str]:
    yield f"  {what}: serial {lock.serial}, signed by {shown_ids(lock.signers)}"
    yield f"    sha256 {lock.sha256}"
    if lock.rollback is not None:
        yield f"    although it is older: {lock.rollback}"


def _is_brought(channel: Channel | None, keyring: Keyring) -> bool:
    return channel is not None and (
        channel.rotation is not None and channel.rotation.replaces == keyring.key_set
    )


def _keys(keys: KeySet) -> dict[str, Value]:
    return {"ids": sorted(map(key_id, keys.keys)), "threshold": keys.threshold}


def _lock(lock: AcceptedLock) -> Value:
    return {**lock.to_dict(), "signers": list(lock.signers)}
