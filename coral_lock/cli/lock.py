"""`coral-runtime lock`: derive the lock and write it, or check that it is fresh."""

from __future__ import annotations

import os
import shlex
import sys

import click

from coral_lock.cli.messages import say, say_findings, say_warning
from coral_lock.cli.options import config_options, no_exec_option, version_options
from coral_lock.cli.progress import terminal_reporter
from coral_lock.descriptor.load import load_descriptor
from coral_lock.difference.locks import difference
from coral_lock.difference.text import render_text
from coral_lock.durable_write import write_durably
from coral_lock.errors import DOES_NOT_HOLD, HOLDS, InputError, LockError
from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.lockfile.file import decode_lock, read_lock_bytes
from coral_lock.lockfile.text import read_lock, write_lock
from coral_lock.probe.run import interpreter_probe
from coral_lock.resolve.resolution import resolve
from coral_lock.wording import counted, later_version_warning, size_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.lockfile.model import Lock

_MAX_SHOWN_CHANGES = 12


@click.command()
@config_options
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    default="coral.lock",
    show_default=True,
    help="The lock to write or check.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Write nothing; fail if the lock isn't what would be written now.",
)
@no_exec_option
@version_options
@click.option(
    "--allow-editable",
    is_flag=True,
    help="Lock editable installs too, without a digest.",
)
def lock(
    config: str | None,
    settings: tuple[str, ...],
    no_env: bool,
    output: str,
    check: bool,
    no_exec: bool,
    core_version: str | None,
    inference_version: str | None,
    allow_editable: bool,
) -> int:
    """Derive coral.lock from the descriptor and from what is installed.

    The same inputs give the same bytes on any machine. No plugin is imported into this
    process; one whose spec can't be read from its source is imported in a fresh
    interpreter, unless --no-exec forbids it.

    \b
    Examples:
      coral-runtime lock -c runtime.yaml
      coral-runtime lock -c runtime.yaml --check
      coral-runtime lock -c runtime.yaml --core-version 0.0.4 --inference-version 0.58.0
    """
    descriptor = load_descriptor(
        config, settings=settings, environment=None if no_env else os.environ
    )
    for warning in descriptor.warnings:
        say_warning(warning)
    if config is None and os.path.exists("runtime.yaml"):
        say_warning("`runtime.yaml` lies here and isn't used; name it with `-c runtime.yaml`")
    current = _read_current(output, check)
    resolution = resolve(
        EnvironmentInventory(),
        descriptor,
        probe=None if no_exec else interpreter_probe(sys.path),
        core_version=core_version,
        inference_version=inference_version,
        allow_editable=allow_editable,
        reporter=terminal_reporter(),
    )
    say_findings(resolution.findings)
    if resolution.lock is None:
        say("no lock can be made" + ("" if check else f"; `{output}` wasn't touched"))
        return DOES_NOT_HOLD
    if check:
        return _check(output, str(current), resolution.lock)
    return _write(output, current, resolution.lock)


def _read_current(output: str, check: bool) -> str | None:
    """Return the text of the lock that is there; None where there is none to compare with.

    Raises:
        LockError: `--check` finds none, or one that can't be read.
        InputError: the file to write is something else than a lock.
    """
    try:
        content = read_lock_bytes(output)
        if check:
            text = decode_lock(content, output)
            read_lock(text, output)
            return text
        return content.decode("utf-8", "surrogateescape")
    except LockError:
        if check or os.path.exists(output):
            raise
        return None


def _check(output: str, current: str, lock: Lock) -> int:
    if current == write_lock(lock):
        say(f"{output} is fresh: {size_of(lock)}")
        return HOLDS
    locked = read_lock(current, output)
    warning = later_version_warning(locked, output)
    if warning:
        say_warning(warning)
    changes = difference(locked, lock)
    sys.stdout.write(render_text(changes, _MAX_SHOWN_CHANGES))
    sys.stdout.flush()
    say(f"{output} is stale: {counted(len(changes), 'change')}, see above")
    say(f"  hint: run `{_fixing_command()}` and have the changes reviewed")
    return DOES_NOT_HOLD


def _fixing_command() -> str:
    words = [
        f"{word.partition('=')[0]}=…" if "services." in word and "=" in word else word
        for word in sys.argv[1:]
        if word != "--check"
    ]
    return shlex.join(["coral-runtime", *words])


def _write(output: str, current: str | None, lock: Lock) -> int:
    text = write_lock(lock)
    if current == text:
        say(f"{output} is unchanged: {size_of(lock)}")
        return HOLDS
    if current and '"lock_version"' not in current:
        raise InputError(
            f"`{output}` isn't a lock, so it isn't overwritten",
            where=output,
            hint="remove it first, or write elsewhere with `-o FILE`",
        )
    write_durably(output, text)
    say(f"wrote {output}: {size_of(lock)}")
    return HOLDS
