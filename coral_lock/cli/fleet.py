"""`coral-runtime fleet`: questions to the reports of many devices."""

from __future__ import annotations

import hashlib
import math
import os
import re
import time
from datetime import datetime, timezone

import click

from coral_lock.canonical_json import write
from coral_lock.cli.application import CommandGroup, lock_option
from coral_lock.cli.formats import deliver, format_option, output_file_option
from coral_lock.errors import DOES_NOT_HOLD, HOLDS, UsageError, quoted
from coral_lock.fleet.gathering import Ledger
from coral_lock.fleet.inventory import read_inventory
from coral_lock.fleet.old_locks import locks_in_directory, locks_in_history
from coral_lock.fleet.plan import locks_of, make_plan
from coral_lock.fleet.states import FleetWords
from coral_lock.fleet.summary import Summary, summarize
from coral_lock.fleet.text import headline, plan_headline, render_plan, render_text
from coral_lock.lockfile.file import parse_lock, read_lock_bytes
from coral_lock.messages import counted, say, say_warning, warned
from coral_lock.repository import Repository

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")


def _duration(_: click.Context, __: click.Parameter, value: str) -> float:
    found = _DURATION.fullmatch(value)
    if not found:
        raise UsageError(
            f"{quoted(value)} isn't a duration",
            expected="a whole number of seconds, minutes, hours or days: `90s`, `30m`, `24h`, `7d`",
            hint="weeks are days, and parts are smaller units: `7d` for `1w`, `90m` for `1.5h`",
        )
    return float(found[1]) * _UNITS[found[2]]


def _time(_: click.Context, __: click.Parameter, value: str | None) -> float:
    if value is None:
        return time.time()
    try:
        found = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", value))
        return found.replace(tzinfo=found.tzinfo or timezone.utc).timestamp()
    except (ValueError, OverflowError):
        raise UsageError(
            f"{quoted(value)} isn't a time", expected="a time like `2026-01-31T12:00:00Z`"
        ) from None


_reports = click.argument("reports", nargs=-1, required=True, metavar="DIR|FILE...")
_inventory = click.option(
    "--inventory",
    metavar="FILE",
    help="The devices that must report: a list of hosts, or the output of "
    "`ansible-inventory --list`.",
)
_now = click.option(
    "--now",
    metavar="TIME",
    callback=_time,
    help="Count ages to this time, e.g. 2026-01-31T12:00:00Z, instead of the present.",
)


@click.group(cls=CommandGroup)
def fleet() -> None:
    """Ask the reports of many devices: who runs what was reviewed, and who doesn't.

    \b
    Examples:
      coral-runtime fleet summarize reports --inventory hosts.txt
      coral-runtime fleet plan reports --lock coral.lock --git
      coral-runtime fleet load reports --into history
    """


@fleet.command("summarize")
@_reports
@_inventory
@click.option(
    "--stale-after",
    metavar="DURATION",
    default="24h",
    show_default=True,
    callback=_duration,
    help="From which age on the last word of a device is too old: 90s, 30m, 24h or 7d.",
)
@_now
@format_option("text", "json", "markdown", "html")
@output_file_option
def summarize_command(
    reports: tuple[str, ...],
    inventory: str | None,
    stale_after: float,
    now: float,
    output_format: str,
    output_file: str | None,
) -> int:
    """Say how many devices run which lock, who deviates and how, and who is silent.

    The reports are those of `coral-runtime report drain`: in files `*.ndjson`, one a line, or
    `*.json`, in directories of any depth. Of each device the last one counts. A report that can't
    be used is named and set aside.

    The exit code is 1 if a device deviates, is missing, silent for too long or not in the
    inventory, or if a report had to be set aside.

    \b
    Examples:
      coral-runtime fleet summarize reports
      coral-runtime fleet summarize reports --inventory hosts.json --stale-after 7d
      coral-runtime fleet summarize reports --output-format html --output-file fleet.html
    """
    listed = None if inventory is None else read_inventory(inventory)
    summary = summarize(FleetWords(reports, listed, now), now=now, stale_after=stale_after)
    deliver(_render(summary, output_format), output_file, headline(summary))
    if output_file is None and output_format != "text":
        say(headline(summary))
    return HOLDS if summary.all_hold else DOES_NOT_HOLD


@fleet.command()
@_reports
@lock_option
@_inventory
@click.option(
    "--old-locks",
    metavar="DIR",
    help="Look in this directory for the locks that devices run, by their SHA-256.",
)
@click.option(
    "--git",
    "is_in_git",
    is_flag=True,
    help="Look for them in what git knows of the file of the new lock.",
)
@_now
@format_option("text", "json", "markdown")
@output_file_option
def plan(
    reports: tuple[str, ...],
    lock: str,
    inventory: str | None,
    old_locks: str | None,
    is_in_git: bool,
    now: float,
    output_format: str,
    output_file: str | None,
) -> int:
    """Say what a new lock changes on each device, and which ones can't take it.

    Devices are grouped by the lock that they run now. A device can't take a lock that has no
    target like it, no wheel for it, or another host than it has and brings none. The exit code is
    then 1. Reports that can't be used are set aside with a warning, which leaves it as it is.

    \b
    Examples:
      coral-runtime fleet plan reports --lock coral.lock --git
      coral-runtime fleet plan reports --lock new.lock --old-locks released --inventory hosts.txt
    """
    content = read_lock_bytes(lock)
    new = warned(parse_lock(content, lock), lock)
    listed = None if inventory is None else read_inventory(inventory)
    words = FleetWords(reports, listed, now)
    devices = summarize(words, now=now, stale_after=math.inf).devices
    wanted = locks_of(devices).keys()
    found = []
    if old_locks is not None:
        found.append(locks_in_directory(old_locks, wanted))
    if is_in_git:
        repository = Repository(os.path.dirname(lock) or ".")
        found.append(locks_in_history(repository, repository.relative(lock), wanted))
    known = {digest: old for each in found for digest, old in each.locks.items()}
    made = make_plan(devices, new, hashlib.sha256(content).hexdigest(), known)
    if output_format == "markdown":
        from coral_lock.fleet.markdown import render_plan_markdown

        text = render_plan_markdown(made)
    else:
        text = write(made.to_dict()) if output_format == "json" else render_plan(made)
    deliver(text, output_file, plan_headline(made))
    _warn_of(words.ledger)
    for digest, name in (item for each in found for item in each.others.items()):
        if digest not in known:
            say_warning(f"devices say that their lock is {name}, which isn't a lock")
    if any(made.unknown) and old_locks is None and not is_in_git:
        say("`--old-locks DIR` or `--git` finds the locks that devices run", "hint: ")
    return DOES_NOT_HOLD if made.blocked.count else HOLDS


@fleet.command()
@_reports
@click.option("--into", metavar="DIR", required=True, help="The directory that keeps the reports.")
@_inventory
@format_option("text", "json")
def load(reports: tuple[str, ...], into: str, inventory: str | None, output_format: str) -> int:
    """Keep reports for questions about the past, as Parquet files by day.

    They can be asked with SQL, by DuckDB and by whatever reads Parquet. Loading again, in another
    order or more than before, adds what is new. What `summarize` sets aside isn't kept: with an
    inventory, no host can speak for the device of another. It needs the extra `fleet`.

    The exit code is 1 if a report had to be set aside, or if there are so many days that the oldest
    are left out; the others are kept all the same.

    \b
    Examples:
      coral-runtime fleet load reports --into history --inventory hosts.txt
    """
    from coral_lock.fleet.history import MAX_DAYS, load_reports

    listed = None if inventory is None else read_inventory(inventory)
    loaded = load_reports(reports, into, time.time(), listed)
    if output_format == "json":
        deliver(write(loaded.to_dict()), None)
    else:
        parts = [f"{loaded.new:,} new", f"{loaded.replaced:,} replaced"]
        days = counted(len(loaded.days), "day")
        deliver(f"{loaded.read:,} reports read: {', '.join(parts)}, in {days}\n", None)
    _warn_of(loaded.ledger)
    if loaded.days_left_out:
        say_warning(
            f"the oldest {counted(loaded.days_left_out, 'day')} aren't loaded, as a load takes "
            f"{MAX_DAYS}: load the files of those by themselves"
        )
    is_whole = not (loaded.ledger.counts.total() or loaded.days_left_out)
    return HOLDS if is_whole else DOES_NOT_HOLD


def _warn_of(ledger: Ledger) -> None:
    """Warn of reports that were set aside."""
    count = ledger.counts.total()
    if count:
        say_warning(
            f"{counted(count, 'report')} can't be used: "
            "see what `coral-runtime fleet summarize` says of them"
        )


def _render(summary: Summary, output_format: str) -> str:
    # Pages and comments cost imports that others needn't pay for.
    if output_format == "html":
        from coral_lock.fleet.html import render_page

        return render_page(summary)
    if output_format == "markdown":
        from coral_lock.fleet.markdown import render_markdown

        return render_markdown(summary)
    return write(summary.to_dict()) if output_format == "json" else render_text(summary)
