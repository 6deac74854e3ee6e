"""`coral-runtime plugins`: list, check and create plugins."""

from __future__ import annotations

import os
import sys

import click

from coral_lock.cli.application import CommandGroup
from coral_lock.cli.options import GroupType
from coral_lock.errors import HOLDS, printable
from coral_lock.messages import counted, say


@click.group(
    cls=CommandGroup,
    commands_at={
        "list": "coral_lock.cli.plugins_list:list_plugins",
        "check": "coral_lock.cli.plugins_check:check_plugins",
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


@plugins.command("new")
@click.argument("name", metavar="NAME")
@click.option(
    "--group",
    type=GroupType(),
    default="patches",
    show_default=True,
    help="The group of the plugin.",
)
@click.option(
    "--directory",
    metavar="DIR",
    default=".",
    help="Where the project's directory is created; by default here.",
)
def new_plugin(name: str, group: str, directory: str) -> int:
    """Create a project for a new plugin in the directory NAME, and print its files.

    NAME is the name of the distribution; the package and the plugin are named after it.
    The project has an entry point, a manifest, a test, a sample descriptor and a workflow
    for continuous integration, and passes `plugins check`. Nothing is ever overwritten.

    \b
    Examples:
      coral-runtime plugins new acme-night-vision
      coral-runtime plugins new acme-npu --group backends --directory projects
    """
    # The other commands of the group are on the way through this module, and need none of these.
    from coral_lock.author.scaffold import naming_of, project_files, write_project

    naming = naming_of(name, group)
    files = project_files(naming, group)
    target = os.path.normpath(os.path.join(directory, name))
    write_project(target, files)
    for path in files:
        sys.stdout.write(f"{printable(os.path.join(target, *path.split('/')))}\n")
    sys.stdout.flush()
    say(f"wrote {target}: {counted(len(files), 'file')}; see its README.md for the next steps")
    return HOLDS
