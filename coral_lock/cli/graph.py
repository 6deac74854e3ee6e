"""`coral-runtime graph`: draw what requires what."""

from __future__ import annotations

import click

from coral_lock.cli.application import lock_option
from coral_lock.cli.formats import deliver, format_option, output_file_option
from coral_lock.errors import HOLDS
from coral_lock.lockfile.file import load_lock
from coral_lock.messages import warned
from coral_lock.rendering.graph import GRAPHS, graph_of


@click.command()
@lock_option
@format_option(*GRAPHS)
@output_file_option
def graph(lock: str, output_format: str, output_file: str | None) -> int:
    """Draw the plugins of a lock, their distributions, and what these require.

    \b
    Examples:
      coral-runtime graph
      coral-runtime graph --output-format dot | dot -Tpdf -o lock.pdf
      coral-runtime graph --output-format svg --output-file lock.svg
    """
    deliver(GRAPHS[output_format](graph_of(warned(load_lock(lock), lock))), output_file)
    return HOLDS
