"""A click group that imports a command only when it is asked for.

Every command would else pay for the imports of all others at every call.
"""

from __future__ import annotations

import sys

import click

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class LazyGroup(click.Group):
    """A group whose commands are named by `module:attribute`.

    Args:
        commands_at: where each command is, by its name, in the order of the help.
    """

    def __init__(self, *args: Any, commands_at: Mapping[str, str], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._commands_at:
            return None
        module, _, attribute = self._commands_at[cmd_name].partition(":")
        __import__(module)
        command: click.Command = getattr(sys.modules[module], attribute)
        return command
