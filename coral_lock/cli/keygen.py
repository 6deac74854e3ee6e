"""`coral-runtime keygen`: make a key that signs locks."""

from __future__ import annotations

import click

from coral_lock.errors import HOLDS
from coral_lock.messages import say
from coral_lock.signing.keys import PASSPHRASE_VARIABLE, make_key


@click.command(
    epilog=f"Where the environment variable {PASSPHRASE_VARIABLE} is set, the private key is "
    "encrypted with it."
)
@click.argument("name")
def keygen(name: str) -> int:
    """Make an Ed25519 key: the private one in NAME.key, the public one in NAME.pub.

    The key's id goes to standard output. Nothing is overwritten. It needs `coral-lock[sign]`.

    \b
    Examples:
      coral-runtime keygen release-2026
    """
    click.echo(make_key(name))
    say(f"wrote {name}.key, which is secret, and {name}.pub, for keyrings")
    return HOLDS
