"""`coral-runtime report`: what the starts of this device have left for whoever gathers it."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import click

from coral_lock import canonical_json
from coral_lock.cli.application import CommandGroup, declared_options
from coral_lock.cli.grammar import DEVICE_ID_OPTION, STATE_OPTION
from coral_lock.errors import InputError, WriteError
from coral_lock.messages import say, say_warning
from coral_lock.reporting.collection import Spool, aged, latest_report, one_line
from coral_lock.reporting.identity import boot_id, given_device_id, own_device_id, uptime
from coral_lock.reporting.spool import Reports
from coral_lock.safe_files import default_state_directory

_MOST_NAMED = 10

state_option = declared_options(STATE_OPTION.replace(help="The state directory of the starts."))


@click.group(cls=CommandGroup)
def report() -> None:
    """Show and fetch the reports that starts and `verify` leave in the state directory.

    \b
    Examples:
      coral-runtime report show
      coral-runtime report drain > reports.ndjson
    """


@report.command()
@state_option
def show(state_dir: str | None) -> None:
    """Print the latest report, as JSON.

    \b
    Examples:
      coral-runtime report show
      coral-runtime report show --state-dir /var/lib/coral-lock
    """
    document = latest_report(state_dir or default_state_directory())
    click.echo(canonical_json.write(aged(document, boot_id(), uptime())), nl=False)


@report.command()
@click.option("--keep", is_flag=True, help="Leave the reports where they are.")
@state_option
def drain(keep: bool, state_dir: str | None) -> None:
    """Print the reports that nobody has fetched, one a line, the oldest first, and remove them.

    They are removed once standard output has taken all of them. One that is damaged is a
    warning, and is renamed to `NAME.damaged`.

    \b
    Examples:
      coral-runtime report drain >> reports.ndjson
      coral-runtime report drain --keep
    """
    if sys.__stdout__ is None:
        raise InputError(
            "standard output is closed, so the reports would be lost",
            hint="redirect it to a file",
        )
    boot, now = boot_id(), uptime()
    with Spool(state_dir or default_state_directory()) as spool:
        _write_out(one_line(aged(document, boot, now)) for document in spool.reports())
        if spool.is_missing:
            say(f"there are no reports: no `{spool.directory}`")
        _warn(spool, dict.fromkeys(spool.strange, "isn't called as a report is"))
        _warn(spool, {name: f"is no report: {why}" for name, why in spool.damaged.items()})
        if keep:
            return
        try:
            spool.remove()
            spool.set_damaged_aside()
        except OSError as error:
            raise InputError(
                f"the reports were printed, and can't be removed: {error.strerror}",
                where=spool.directory,
                hint="pass `--keep` if they are to stay, or run this as the user of the starts",
            ) from None


def _warn(spool: Spool, problems: Mapping[str, str]) -> None:
    """Warn of files in the spool, of the first ten by name."""
    for name, problem in list(problems.items())[:_MOST_NAMED]:
        say_warning(f"`{os.path.join(spool.directory, name)}` {problem}")
    if len(problems) > _MOST_NAMED:
        say_warning(f"and {len(problems) - _MOST_NAMED:,} more in `{spool.directory}`")


def _write_out(lines: Iterable[str]) -> None:
    """Write lines to standard output, onto the disk if it is a file there.

    Raises:
        WriteError: they can't be written.
        BrokenPipeError: nobody reads them any more.
    """
    descriptor = sys.stdout.fileno()
    # Nothing is buffered, so that nothing is left to be written after an error.
    for line in lines:
        content = line.encode("utf-8")
        while content:
            with _telling_what_to_do():
                content = content[os.write(descriptor, content) :]
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        with _telling_what_to_do():
            os.fsync(descriptor)


@contextmanager
def _telling_what_to_do() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise WriteError(
            f"the reports can't be written: {error.strerror}",
            where="standard output",
            hint="nothing was removed: run `coral-runtime report drain` again, into a file with "
            "room for them",
        ) from None


@report.command("device-id")
@declared_options(DEVICE_ID_OPTION)
@state_option
def device_id(device_id: str | None, state_dir: str | None) -> None:
    """Print what reports call this device.

    That is what --device-id or CORAL_LOCK_DEVICE_ID says, else a UUID that is derived from the
    machine id and doesn't tell it. A machine without such an id, as containers are, has one at
    random, which is kept in the state directory.

    \b
    Examples:
      coral-runtime report device-id
      coral-runtime report device-id --device-id gate-7.example.org
    """
    identifier = given_device_id(device_id, os.environ)
    if identifier is None:
        with Reports(os.path.abspath(state_dir or default_state_directory())) as reports:
            identifier = own_device_id(reports.directory)
    click.echo(identifier)
