"""The click application: every command but the start of a device comes through here."""

from __future__ import annotations

import click

from coral_lock.cli.config import config
from coral_lock.cli.diff import diff
from coral_lock.cli.lock import lock
from coral_lock.cli.plugins import plugins
from coral_lock.cli.start_help import start_commands
from coral_lock.cli.verify import verify
from coral_lock.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="coral-lock", message="coral-runtime %(version)s")
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


for command in (config, plugins, lock, verify, diff, *start_commands()):
    application.add_command(command)


def run_application(words: Sequence[str]) -> int:
    """Run the click application; return the exit code.

    Raises:
        UsageError: the command line is wrong.
        CoralLockError: whatever the command raises.
    """
    try:
        result = application.main(list(words), prog_name="coral-runtime", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.UsageError as error:
        context = error.ctx
        raise UsageError(
            _sentence(error.format_message()),
            hint=f"see `{context.command_path if context else 'coral-runtime'} --help`",
        ) from None
    except click.Abort:
        raise KeyboardInterrupt from None
    except click.ClickException as error:
        raise UsageError(_sentence(error.format_message())) from None
    return result if isinstance(result, int) else 0


def _sentence(message: str) -> str:
    """Return one of click's messages in the form of ours."""
    message = " ".join(message.split()).rstrip(".")
    return message[:1].lower() + message[1:] if message[1:2].islower() else message
