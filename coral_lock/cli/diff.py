"""`coral-runtime diff`: what a change of the lock means."""

from __future__ import annotations

import os
import stat

import click

from coral_lock.cli.formats import emit, output_format_option
from coral_lock.difference.changes import difference
from coral_lock.difference.model import LEVELS, RISKS, Change
from coral_lock.difference.text import render_text
from coral_lock.errors import DOES_NOT_HOLD, HOLDS, UsageError
from coral_lock.lockfile.file import decode_lock, read_lock_bytes, read_lock_stream
from coral_lock.lockfile.text import read_lock, write_lock
from coral_lock.messages import counted, say, warned
from coral_lock.rendering.outcome import Outcome


@click.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@output_format_option
@click.option("--exit-code", is_flag=True, help="Exit with 1 if the locks differ.")
@click.option(
    "--fail-on",
    metavar="RISK|LEVEL",
    multiple=True,
    type=click.Choice((*LEVELS, *RISKS)),
    help=f"Exit with 1 if a change has this risk, or one of at least this level "
    f"({', '.join(reversed(LEVELS))}). May be repeated.",
)
def diff(old: str, new: str, output_format: str, exit_code: bool, fail_on: tuple[str, ...]) -> int:
    """Show what changed between two locks, by plugin and distribution.

    The riskiest changes come first, those of a high or medium risk marked with `!`: bytes that
    changed under the same version, code that comes from elsewhere, a new plugin or
    distribution. A change in what plugins require says through which plugins.

    OLD and NEW may be pipes, and `-` is standard input.

    \b
    Examples:
      git show main:coral.lock | coral-runtime diff - coral.lock
      coral-runtime diff main.lock coral.lock
      coral-runtime diff main.lock coral.lock --output-format json
      coral-runtime diff main.lock coral.lock --exit-code
      coral-runtime diff main.lock coral.lock --fail-on high --fail-on new-distribution
    """
    if old == new == "-":
        raise UsageError(
            "only one of the locks can be read from standard input",
            expected="a file for one of them",
            hint="`git show main:coral.lock | coral-runtime diff - coral.lock`",
        )
    before, after = (warned(read_lock(_read(path), path), path) for path in (old, new))
    changes = difference(before, after)
    emit(
        Outcome(
            document={},
            text=render_text(changes),
            changes=changes,
            lock=(new, write_lock(after)),
        ),
        output_format,
    )
    if not changes:
        say("no changes")
    refused = [change for change in changes if _is_refused(change, fail_on)]
    if refused:
        say(f"{counted(len(refused), 'change')} with a risk of `--fail-on {' '.join(fail_on)}`")
    return DOES_NOT_HOLD if refused or (changes and exit_code) else HOLDS


def _is_refused(change: Change, fail_on: tuple[str, ...]) -> bool:
    levels = {level for least in fail_on if least in LEVELS for level in _from(least)}
    return any(risk.code in fail_on or risk.level in levels for risk in change.risks)


def _from(least: str) -> tuple[str, ...]:
    return LEVELS[: LEVELS.index(least) + 1]


def _read(path: str) -> str:
    is_stream = path == "-" or (os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode))
    return decode_lock(read_lock_stream(path) if is_stream else read_lock_bytes(path), path)
