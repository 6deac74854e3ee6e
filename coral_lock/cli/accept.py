"""`coral-runtime accept`: take a signed lock for what this device may start from."""

from __future__ import annotations

import click

from coral_lock.canonical_json import Value
from coral_lock.cli.application import declared_options, lock_option
from coral_lock.cli.formats import emit, format_option
from coral_lock.cli.grammar import TRUST_OPTION
from coral_lock.cli.sign import known_channel
from coral_lock.errors import HOLDS, UsageError, quoted
from coral_lock.messages import say
from coral_lock.rendering.outcome import Outcome
from coral_lock.signing.acceptance import Request, accept_lock
from coral_lock.signing.accepted import is_reason
from coral_lock.signing.keyring import DEFAULT_KEYRING
from coral_lock.signing.keys import shown_ids


@click.command()
@lock_option
@click.option("--signature", metavar="FILE", help="The file of the signatures. [default: LOCK.sig]")
@click.option(
    "--keyring",
    metavar="DIR",
    default=DEFAULT_KEYRING,
    show_default=True,
    help="The public keys that this device trusts.",
)
@click.option(
    "--channel",
    metavar="NAME",
    callback=lambda context, option, value: known_channel(value),
    help="The channel of this device. [default: that of the keyring's configuration, else default]",
)
@declared_options(TRUST_OPTION)
@click.option(
    "--allow-rollback",
    metavar="REASON",
    callback=lambda context, option, value: _reason(value),
    help="Accept a serial below the floor. Reports have the reason until the next lock.",
)
@click.option(
    "--keep-previous",
    is_flag=True,
    help="The lock accepted before may still start, until this one is accepted without it.",
)
@click.option(
    "--forget",
    "forgets",
    metavar="NAME",
    multiple=True,
    callback=lambda context, option, values: tuple(map(known_channel, values)),
    help="A channel whose lock may not start any more. May be repeated.",
)
@format_option("text", "json")
def accept(
    lock: str,
    signature: str | None,
    keyring: str,
    channel: str | None,
    trust_dir: str | None,
    allow_rollback: str | None,
    keep_previous: bool,
    forgets: tuple[str, ...],
    output_format: str,
) -> int:
    """Verify a lock's signatures, and write down that this device may start from it.

    Its serial may not be lower than that of any lock that was accepted before. From then on
    `init --locked --accepted` starts from this lock and from no other. It needs
    `coral-lock[sign]`, and is for the deployment: a start verifies no signature.

    The exit code is 0 if the lock is accepted, or was already, 1 if its serial is below the
    floor, 2 for bad input or a lock for another channel, and 3 if too few signatures are valid or
    the lock isn't what was signed.

    \b
    Examples:
      coral-runtime accept
      coral-runtime accept --lock new/coral.lock --keep-previous
      coral-runtime accept --allow-rollback "camera fails with 9"
      coral-runtime accept --output-format json
    """
    request = Request(
        lock=lock,
        signature=signature or f"{lock}.sig",
        keyring=keyring,
        channel=channel,
        trust_directory=trust_dir,
        rollback=allow_rollback,
        keeps_previous=keep_previous,
        forgets=forgets,
    )
    outcome = accept_lock(request)
    accepted, previous = outcome.channel.accepted, outcome.channel.previous
    document: dict[str, Value] = {
        "changed": outcome.changed,
        "channel": outcome.name,
        "serial": accepted.serial,
        "sha256": accepted.sha256,
        "signers": list(accepted.signers),
        "rollback": accepted.rollback,
        "previous": None if previous is None else previous.sha256,
    }
    emit(Outcome(document=document), output_format)
    what = (
        f"serial {accepted.serial} of the channel {outcome.name}, signed by "
        f"{shown_ids(accepted.signers)}"
    )
    say(f"accepted {lock}: {what}" if outcome.changed else f"{lock} is accepted already: {what}")
    if accepted.rollback is not None:
        say(f"  its serial is below the floor: {accepted.rollback}")
    for note in outcome.notes:
        say(f"  {note}")
    if outcome.changed:
        say(f"  wrote {outcome.path}")
    return HOLDS


def _reason(value: str | None) -> str | None:
    if value is not None and not is_reason(value):
        raise UsageError(
            f"{quoted(value)} can't be the reason of a rollback",
            expected="one line of text, at most 1000 characters",
            hint='say why in words: `coral-runtime accept --allow-rollback "camera fails"`',
        )
    return value
