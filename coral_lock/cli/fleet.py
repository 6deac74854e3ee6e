"""`coral-runtime fleet`: questions to the reports of many devices."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone

import click

from coral_lock.canonical_json import write
from coral_lock.cli.application import CommandGroup
from coral_lock.cli.formats import deliver, format_option, output_file_option
from coral_lock.errors import DOES_NOT_HOLD, HOLDS, UsageError, quoted
from coral_lock.fleet.inventory import read_inventory
from coral_lock.fleet.summary import FleetWords, Summary, summarize
from coral_lock.fleet.text import headline, render_text
from coral_lock.messages import say

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")


def _duration(_: click.Context, __: click.Parameter, value: str) -> float:
    found = _DURATION.fullmatch(value)
    if not found:
        raise UsageError(
            f"{quoted(value)} isn't a duration",
            expected="a whole number of seconds, minutes, hours or days: `90s`, `30m`, `24h`, `7d`",
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
    deliver(_render(summary, output_format), output_file)
    if output_format != "text" or output_file is not None:
        say(headline(summary))
    return HOLDS if summary.all_hold else DOES_NOT_HOLD


def _render(summary: Summary, output_format: str) -> str:
    # Pages and comments cost imports that others needn't pay for.
    if output_format == "html":
        from coral_lock.fleet.html import render_page

        return render_page(summary)
    if output_format == "markdown":
        from coral_lock.fleet.markdown import render_markdown

        return render_markdown(summary)
    return write(summary.to_dict()) if output_format == "json" else render_text(summary)
