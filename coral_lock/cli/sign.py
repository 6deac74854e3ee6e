"""`coral-runtime sign`: say for which devices a lock is, and sign it."""

from __future__ import annotations

import shlex

import click

from coral_lock.cli.application import lock_option
from coral_lock.errors import HOLDS, UsageError, quoted
from coral_lock.messages import say, say_warning
from coral_lock.names import is_channel
from coral_lock.signing.accepted import MAX_SERIAL
from coral_lock.signing.keys import (
    PASSPHRASE_VARIABLE,
    is_exposed,
    load_private_key,
    shown_ids,
    shown_keys,
)
from coral_lock.signing.release import load_trust, sign_lock


@click.command(
    epilog=f"The passphrase of an encrypted key is that of the environment variable "
    f"{PASSPHRASE_VARIABLE}."
)
@click.option(
    "--key",
    "keys",
    metavar="FILE",
    multiple=True,
    required=True,
    help="The private key to sign with. May be repeated.",
)
@lock_option
@click.option(
    "--channel",
    metavar="NAME",
    callback=lambda context, option, value: known_channel(value),
    help="For which devices the lock is. [default: default]",
)
@click.option(
    "--serial",
    type=click.IntRange(1, MAX_SERIAL),
    metavar="N",
    help="The number of the lock, higher than that of every lock of the channel before.",
)
@click.option("--signature", metavar="FILE", help="The file of the signatures. [default: LOCK.sig]")
@click.option(
    "--trust",
    metavar="KEYRING_DIR",
    help="The keys that devices trust once they have accepted this lock, in place of theirs, and "
    "their threshold.",
)
def sign(
    keys: tuple[str, ...],
    lock: str,
    channel: str | None,
    serial: int | None,
    signature: str | None,
    trust: str | None,
) -> int:
    """Sign a lock, so that devices can tell that it was released, and in which order.

    The signatures go to coral.lock.sig, a DSSE envelope that other tools can verify. Signing
    again with another key adds a signature; another lock needs a higher serial. It needs
    `coral-lock[sign]`.

    \b
    Examples:
      coral-runtime sign --key release.key --serial 1
      coral-runtime sign --key second.key
      coral-runtime sign --key release.key --channel beta --serial 7 --signature beta.sig
      coral-runtime sign --key old.key --serial 8 --trust keyring
    """
    path = signature or f"{lock}.sig"
    private = tuple(map(load_private_key, keys))
    for each in keys:
        if is_exposed(each):
            command = shlex.join(("chmod", "600", each))
            say_warning(f"others can read the private key `{each}`: run `{command}`")
    keyring = load_trust(trust) if trust is not None else None
    if keyring is not None and (keyring.channel is not None or keyring.floors):
        say_warning(
            f"`channel` and `floors` of the keyring `{trust}` are ignored: a lock brings keys and "
            "their threshold, nothing else"
        )
    signed = sign_lock(
        lock,
        path,
        private,
        channel=channel,
        serial=serial,
        trust=None if keyring is None else keyring.key_set,
    )
    statement = signed.statement
    what = (
        f"serial {statement.serial} of the channel {statement.channel}, signed by "
        f"{shown_ids(signed.key_ids)}"
    )
    say(f"wrote {path}: {what}" if signed.changed else f"{path} is up to date: {what}")
    if signed.others:
        others = shown_ids(each or "one without an id" for each in signed.others)
        say(f"  other signatures are kept, which nobody has verified: {others}")
    if statement.trust is not None:
        say(f"  devices that accept it trust from then on: {shown_keys(statement.trust)}")
    return HOLDS


def known_channel(value: str | None) -> str | None:
    """Return the value of `--channel`.

    Raises:
        UsageError: it can't name a channel.
    """
    if value is not None and not is_channel(value):
        raise UsageError(
            f"{quoted(value)} can't name a channel",
            expected="letters and digits, with `.`, `_` and `-` between them, at most 100",
            hint="name it like `production`",
        )
    return value
