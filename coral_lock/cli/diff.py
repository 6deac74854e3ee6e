"""`coral-runtime diff`: what a change of the lock means."""

from __future__ import annotations

import os
import stat

import click

from coral_lock.cli.formats import Outcome, emit, output_format_option
from coral_lock.difference.changes import difference
from coral_lock.difference.text import render_text
from coral_lock.errors import DOES_NOT_HOLD, HOLDS, UsageError
from coral_lock.lockfile.file import decode_lock, load_lock, read_lock_stream
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.text import read_lock
from coral_lock.messages import say, warned


@click.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@output_format_option
@click.option("--exit-code", is_flag=True, help="Exit with 1 if the locks differ.")
def diff(old: str, new: str, output_format: str, exit_code: bool) -> int:
    """Show what changed between two locks, by plugin and distribution.

    Alarming changes come first, marked with `!`: a digest that changed under the same
    version, an entry point that moved to another distribution or module, a plugin that is
    no longer optional, a distribution without digests or with a lower version.

    OLD and NEW may be pipes, and `-` is standard input.

    \b
    Examples:
      git show main:coral.lock | coral-runtime diff - coral.lock
      coral-runtime diff main.lock coral.lock
      coral-runtime diff main.lock coral.lock --output-format json
      coral-runtime diff main.lock coral.lock --exit-code
    """
    if old == new == "-":
        raise UsageError(
            "only one of the locks can be read from standard input",
            expected="a file for one of them",
            hint="`git show main:coral.lock | coral-runtime diff - coral.lock`",
        )
    changes = difference(_load(old), _load(new))
    emit(Outcome(document={}, text=render_text(changes), changes=changes), output_format)
    if not changes:
        say("no changes")
    return DOES_NOT_HOLD if changes and exit_code else HOLDS


def _load(path: str) -> Lock:
    is_stream = path == "-" or (os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode))
    if is_stream:
        return warned(read_lock(decode_lock(read_lock_stream(path), path), path), path)
    return warned(load_lock(path), path)
