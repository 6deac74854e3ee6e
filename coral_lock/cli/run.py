"""`coral-runtime run` for click, which shows its help; `cli.start` is what it does."""

from __future__ import annotations

from typing import Any

import click

from coral_lock.cli.application import declared_options
from coral_lock.cli.grammar import START_OPTIONS


@click.command()
@declared_options(*START_OPTIONS["run"])
@click.argument("program", nargs=-1, metavar="-- PROGRAM [ARGS]...")
def run(**_: Any) -> None:
    """Start as `init --locked` does, then run a Python program in the same process.

    The exit code is the program's own. If the start fails, the program isn't run, or is ended,
    with 78 (refused), 77 (bytes differ from the lock), 126 (the program can't be run), 127
    (program not found) or 75 (a temporary failure).

    \b
    Examples:
      coral-runtime run --locked -- python app.py --port 9001
      coral-runtime run --locked -c runtime.yaml -- uvicorn app:app
    """
