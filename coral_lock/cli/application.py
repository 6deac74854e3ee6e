"""The click application: every command but the start of a device comes through here."""

from __future__ import annotations

import io
import os
import re
import sys

import click

from coral_lock.cli.command_group import CommandGroup
from coral_lock.cli.grammar import no_such
from coral_lock.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


@click.group(
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    commands_at={
        "plugins": "coral_lock.cli.plugins:plugins",
        "manifest": "coral_lock.cli.manifest:manifest",
        "config": "coral_lock.cli.config:config",
        "lock": "coral_lock.cli.lock:lock",
        "explain": "coral_lock.cli.explain:explain",
        "export": "coral_lock.cli.export:export",
        "diff": "coral_lock.cli.diff:diff",
        "verify": "coral_lock.cli.verify:verify",
        "init": "coral_lock.cli.start_help:init",
        "run": "coral_lock.cli.start_help:run",
    },
)
@click.version_option(package_name="coral-lock", message="coral-runtime of coral-lock %(version)s")
def application() -> None:
    """Load plugins of Coral Runtime strictly from a reviewed, reproducible lock.

    \b
    Exit codes:
      0  it holds
      1  it doesn't: stale lock, drift, conflict, incompatible, a plugin failed
      2  bad input or usage
      3  bytes differ from the lock

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
    """Return the context of the command that words name; not every error of click has one."""
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
