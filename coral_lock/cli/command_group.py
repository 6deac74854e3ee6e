"""A group of commands that is the same whatever the version of click.

Since 8.2 a group without a word is a usage error, which click 8.1 doesn't know, and since 8.4
an unknown command is an exception of its own.
"""

from __future__ import annotations

import sys

import click

from coral_lock.cli.grammar import no_such
from coral_lock.errors import BAD_INPUT, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class CommandGroup(click.Group):
    """A group that imports a command only when it is asked for.

    Every command would else pay for the imports of all others at every call. Without a word
    it prints its help to standard error, and the exit code is 2.

    Args:
        commands_at: where commands are, `module:attribute` by their names, in the order of
            the help. Those that are added to the group follow.
    """

    def __init__(
        self, *args: Any, commands_at: Mapping[str, str] | None = None, **settings: Any
    ) -> None:
        super().__init__(*args, **settings)
        self._commands_at = commands_at or {}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(BAD_INPUT)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self._commands_at, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._commands_at:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self._commands_at[cmd_name].partition(":")
        __import__(module)
        command: click.Command = getattr(sys.modules[module], attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            raise UsageError(
                no_such("command", args[0], self.list_commands(ctx)),
                hint=f"see `{ctx.command_path} --help`",
            )
        return super().resolve_command(ctx, args)
