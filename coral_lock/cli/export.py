"""`coral-runtime export`: from the lock to files from which pip and uv install."""

from __future__ import annotations

import os
import re

import click

from coral_lock.cli.options import lock_option
from coral_lock.cli.progress import shown_progress
from coral_lock.errors import HOLDS, InputError
from coral_lock.export.formats import (
    is_pylock_text,
    is_requirements_text,
    pylock_text,
    requirements_text,
)
from coral_lock.export.installation import installation_of
from coral_lock.finding import exit_code
from coral_lock.lockfile.file import load_lock
from coral_lock.messages import counted, say, say_findings, say_warning, warned
from coral_lock.safe_files import refuse_to_overwrite, write_durably
from coral_lock.wheels.wheelhouse import WheelCache, Wheelhouse

REQUIREMENTS, PYLOCK = "requirements", "pylock"


@click.command()
@click.option(
    "--format",
    "form",
    type=click.Choice((REQUIREMENTS, PYLOCK)),
    required=True,
    help="Hash-pinned requirements, or a pylock.toml (PEP 751).",
)
@click.option(
    "--wheels",
    metavar="DIR",
    multiple=True,
    required=True,
    help="Where the locked wheels are. May be repeated.",
)
@lock_option
@click.option("--target", metavar="NAME", help="Export what one target of the lock needs.")
@click.option("-o", "--output", metavar="FILE", help="Write to a file instead of stdout.")
def export(
    form: str, wheels: tuple[str, ...], lock: str, target: str | None, output: str | None
) -> int:
    """Write what the lock pins in a form from which pip and uv install.

    Every distribution is pinned to its version and to the SHA-256 of its wheels, which are
    found in the wheelhouse and compared with the lock's digests. A lock for several
    targets gives one file for all of them, with markers, unless --target names one.

    \b
    Examples:
      coral-runtime export --format requirements --wheels wheelhouse -o requirements.txt
      coral-runtime export --format pylock --wheels wheelhouse -o pylock.toml
      coral-runtime export --format pylock --wheels wheelhouse --target jetson
    """
    if output is not None:
        _refuse_output(form, output, lock)
    loaded = warned(load_lock(lock), lock)
    cache = WheelCache()
    if cache.problem:
        say_warning(f"every wheel is hashed again: {cache.problem}")
    wheelhouse = Wheelhouse(wheels, cache=cache)
    with shown_progress() as reporter:
        installation, findings = installation_of(loaded, wheelhouse, target, reporter)
    say_findings(findings)
    if installation is None:
        say("nothing is exported")
        return exit_code(findings)
    directory = os.path.dirname(os.path.abspath(output)) if output else os.getcwd()
    text = (
        pylock_text(installation, directory) if form == PYLOCK else requirements_text(installation)
    )
    if output is None:
        click.echo(text, nl=False)
    else:
        write_durably(output, text)
        say(f"wrote {output}: {counted(len(installation.pins), 'distribution')}")
    return HOLDS


def _refuse_output(form: str, output: str, lock: str) -> None:
    """Refuse to overwrite what wasn't exported, and a name that no installer knows.

    The names of a pylock.toml are those of PEP 751: `pylock.toml` and `pylock.<name>.toml`.
    """
    if os.path.realpath(output) == os.path.realpath(lock):
        raise InputError(
            "the lock isn't overwritten by what is made from it",
            where=output,
            hint="write elsewhere with `-o FILE`",
        )
    name = os.path.basename(output)
    if form == PYLOCK and not re.fullmatch(r"pylock(\.[^.]+)?\.toml", name):
        raise InputError(
            f"installers don't take `{name}` for a pylock file",
            expected="`pylock.toml`, or `pylock.<name>.toml` with a name without dots",
            found=f"`{name}`",
            hint="write to `pylock.toml`",
        )
    kind, is_ours = (
        ("a pylock.toml that was exported", is_pylock_text)
        if form == PYLOCK
        else ("a requirements file that was exported", is_requirements_text)
    )
    refuse_to_overwrite(output, kind, is_ours, "write elsewhere with `-o FILE`")
