"""The click application: every command but the start of a device comes through here.

Of `init` and `run` only the help does; `__main__` parses what follows them without click.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, TypeAlias

import click

from coral_lock.cli.grammar import LOCK_OPTION, Option, no_such
from coral_lock.errors import BAD_INPUT, UsageError

Command: TypeAlias = Callable[..., Any]


class CommandGroup(click.Group):
    """A group that imports a command only when it is called, as others would cost it time.

    Without a command it prints its help to standard error, and the exit code is 2.

    Args:
        modules: the commands that are in a module of their name in `cli`, in the order of the
            help. Commands that are added to the group follow.
    """

    def __init__(self, *args: Any, modules: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._modules = modules

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(BAD_INPUT)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self._modules, *super().list_commands(ctx)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with their whole summaries, which click would cut."""
        names = self.list_commands(ctx)
        commands = [(name, self.get_command(ctx, name)) for name in names]
        rows = [(name, each.get_short_help_str(limit=1000)) for name, each in commands if each]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._modules:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(f"coral_lock.cli.{cmd_name}"), cmd_name)
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


def declared_options(*options: Option) -> Callable[[Command], Command]:
    """Return a decorator that adds options of the table that all commands share."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            metavar = f"[{'|'.join(option.choices)}]" if option.choices else option.metavar
            command = click.option(
                *option.names,
                is_flag=option.metavar is None,
                metavar=metavar,
                multiple=option.multiple,
                default=option.default,
                show_default=option.default is not None,
                help=option.help,
            )(command)
        return command

    return add


lock_option = declared_options(LOCK_OPTION)


@click.group(
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    modules=(
        "plugins",
        "manifest",
        "config",
        "lock",
        "explain",
        "export",
        "fetch",
        "graph",
        "diff",
        "log",
        "blame",
        "git",
        "keygen",
        "sign",
        "accept",
        "trust",
        "verify",
        "report",
        "fleet",
        "init",
        "run",
    ),
)
@click.version_option(package_name="coral-lock", message="coral-runtime of coral-lock %(version)s")
def application() -> None:
    """Load plugins of Coral Runtime strictly from a reviewed, reproducible lock.

    \b
    Exit codes:
      0  it holds
      1  it doesn't: stale lock, drift, conflict, incompatible, a plugin failed
      2  bad input or usage
      3  bytes differ from the lock, or a signature doesn't verify

    \b
    Examples:
      coral-runtime plugins list
      coral-runtime lock -c runtime.yaml
      coral-runtime lock -c runtime.yaml --check
      coral-runtime init --locked
    """


def run_application(words: Sequence[str]) -> int:
    """Run the click application; return the exit code.

    Raises:
        UsageError: the command line is wrong.
        CoralLockError: whatever the command raises.
        BrokenPipeError: nobody reads standard output any more.
    """
    _prepare_stdout()
    try:
        result = application.main(list(words), prog_name="coral-runtime", standalone_mode=False)
    except click.UsageError as error:
        context = _context_of(words)
        message = _sentence(error.format_message())
        if isinstance(error, click.NoSuchOption):
            options = context.command.get_params(context)
            known = [name for option in options for name in option.opts if name.startswith("-")]
            message = no_such("option", error.option_name, known)
        raise UsageError(message, hint=f"see `{context.command_path} --help`") from None
    except click.Abort:
        raise KeyboardInterrupt from None
    except click.ClickException as error:
        raise UsageError(_sentence(error.format_message())) from None
    except SystemExit:
        # So click ends where nobody reads what it prints.
        raise BrokenPipeError from None
    sys.stdout.flush()
    return result if isinstance(result, int) else 0


def _prepare_stdout() -> None:
    """Make standard output take any text: data is UTF-8 in every locale."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    elif isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")


def _context_of(words: Sequence[str]) -> click.Context:
    """Return the context of the command that words name; not all of click's errors have one."""
    context = click.Context(application, info_name="coral-runtime", **application.context_settings)
    for word in words:
        group = context.command
        command = group.get_command(context, word) if isinstance(group, click.Group) else None
        if command is None:
            break
        context = click.Context(command, context, word)
    return context


def _sentence(message: str) -> str:
    """Return one of click's messages in the form of ours."""
    message = re.sub(r"'([^']*)'", r"`\1`", " ".join(message.split())).rstrip(".")
    return message[:1].lower() + message[1:] if message[1:2].islower() else message
