"""`coral-runtime plugins`: list, check and create plugins."""

from __future__ import annotations

import click

from coral_lock.cli.application import CommandGroup


@click.group(
    cls=CommandGroup,
    commands_at={
        "list": "coral_lock.cli.plugins_list:list_plugins",
        "check": "coral_lock.cli.plugins_check:check_plugins",
        "new": "coral_lock.cli.plugins_new:new_plugin",
    },
)
def plugins() -> None:
    """List the installed plugins, check one, or create a new one.

    \b
    Examples:
      coral-runtime plugins list
      coral-runtime plugins check
      coral-runtime plugins new night-vision --group patches
    """
