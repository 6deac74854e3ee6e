"""`coral-runtime init` for click, which shows its help; `cli.start` is what it does."""

from __future__ import annotations

from typing import Any

import click

from coral_lock.cli.application import declared_options
from coral_lock.cli.grammar import START_OPTIONS


@click.command()
@declared_options(*START_OPTIONS["init"])
def init(**_: Any) -> None:
    """Activate plugins and print the activation report as JSON.

    With --locked, the machine is verified against the lock before anything is imported, and
    only what the lock names is activated. Without it, what is installed is resolved now.
    Standard output belongs to the report; what plugins print goes to standard error.

    \b
    Examples:
      coral-runtime init --locked
      coral-runtime init --locked -c runtime.yaml --report report.json
      coral-runtime init -c runtime.yaml --set patches.night_vision=false
    """
