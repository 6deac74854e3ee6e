"""`coral-runtime export`: from the lock to files for pip, uv and auditors."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping

import click

from coral_lock.cli.application import lock_option
from coral_lock.cli.progress import shown_progress
from coral_lock.errors import HOLDS, InputError, UsageError
from coral_lock.export.cyclonedx import cyclonedx_text, is_cyclonedx_text
from coral_lock.export.formats import (
    is_pylock_text,
    is_requirements_text,
    pylock_text,
    requirements_text,
)
from coral_lock.export.installation import (
    distributions_for,
    installation_of,
    invalid_versions,
)
from coral_lock.finding import Finding, exit_code, has_errors, sorted_findings
from coral_lock.inventory import Reporter
from coral_lock.lockfile.file import load_lock
from coral_lock.lockfile.model import Lock
from coral_lock.messages import counted, say, say_findings, say_warning, warned
from coral_lock.safe_files import refuse_to_overwrite, write_durably
from coral_lock.wheels.listing import FETCH
from coral_lock.wheels.locked import find_locked_wheels
from coral_lock.wheels.wheelhouse import WheelCache, Wheelhouse

REQUIREMENTS, PYLOCK, CYCLONEDX = "requirements", "pylock", "cyclonedx"


@click.command()
@click.option(
    "--format",
    "form",
    type=click.Choice((REQUIREMENTS, PYLOCK, CYCLONEDX)),
    required=True,
    help="Hash-pinned requirements, a pylock.toml (PEP 751), or a bill of materials (CycloneDX).",
)
@click.option(
    "--wheels",
    metavar="DIR",
    multiple=True,
    help="Where the locked wheels are. May be repeated. Without it, a bill of materials has no "
    "hashes of files.",
)
@lock_option
@click.option("--target", metavar="NAME", help="Export what one target of the lock needs.")
@click.option("-o", "--output", metavar="FILE", help="Write to a file instead of stdout.")
def export(
    form: str, wheels: tuple[str, ...], lock: str, target: str | None, output: str | None
) -> int:
    """Write what the lock pins for other programs: for pip and uv, or for auditors.

    For pip and uv, every distribution is pinned to its version and to the SHA-256 of its
    wheels, which are found in the wheelhouse and compared with the lock's digests. A lock for
    several targets gives one file for all of them, with markers, unless --target names one.

    A bill of materials (CycloneDX 1.6, JSON) has plugins, distributions and hosts with their
    digests and what they require. It needs `coral-lock[sbom]`.

    \b
    Examples:
      coral-runtime export --format requirements --wheels wheelhouse -o requirements.txt
      coral-runtime export --format pylock --wheels wheelhouse -o pylock.toml
      coral-runtime export --format pylock --wheels wheelhouse --target jetson
      coral-runtime export --format cyclonedx -o bom.json
    """
    if not wheels and form != CYCLONEDX:
        raise UsageError(
            "the wheels are needed, as their SHA-256 isn't in the lock",
            expected="`--wheels DIR`",
            hint=f"`coral-runtime export --format {form} --wheels DIR`",
        )
    if output is not None:
        _refuse_output(form, output, lock)
    loaded = warned(load_lock(lock), lock)
    cache = WheelCache()
    if wheels and cache.problem:
        say_warning(f"every wheel is hashed again: {cache.problem}")
    wheelhouse = Wheelhouse(wheels, cache=cache, if_empty=FETCH) if wheels else None
    directory = os.path.dirname(os.path.abspath(output)) if output else os.getcwd()
    with shown_progress() as reporter:
        exported, findings = _exported(form, loaded, wheelhouse, target, directory, reporter)
    say_findings(findings)
    if exported is None:
        say("nothing is exported")
        return exit_code(findings)
    text, count = exported
    if output is None:
        click.echo(text, nl=False)
    else:
        write_durably(output, text)
        say(f"wrote {output}: {counted(count, 'distribution')}")
    return HOLDS


def _exported(
    form: str,
    lock: Lock,
    wheelhouse: Wheelhouse | None,
    target: str | None,
    directory: str,
    reporter: Reporter,
) -> tuple[tuple[str, int] | None, tuple[Finding, ...]]:
    """Return the text and how many distributions are in it, None where there are errors."""
    if form != CYCLONEDX:
        assert wheelhouse is not None
        installation, findings = installation_of(lock, wheelhouse, target, reporter)
        if installation is None:
            return None, findings
        text = (
            pylock_text(installation, directory)
            if form == PYLOCK
            else requirements_text(installation)
        )
        return (text, len(installation.pins)), findings
    distributions = distributions_for(lock, target)
    invalid = tuple(invalid_versions(lock, distributions))
    wheels, found = (
        find_locked_wheels(distributions, wheelhouse, reporter) if wheelhouse else ({}, ())
    )
    findings = sorted_findings((*invalid, *found))
    if has_errors(findings):
        return None, findings
    text = cyclonedx_text(lock, target, wheels)
    return (text, len(distributions)), findings


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
    kind, is_ours = _KINDS[form]
    refuse_to_overwrite(
        output, f"{kind} that was exported", is_ours, "write elsewhere with `-o FILE`"
    )


_KINDS: Mapping[str, tuple[str, Callable[[str], bool]]] = {
    REQUIREMENTS: ("a requirements file", is_requirements_text),
    PYLOCK: ("a pylock.toml", is_pylock_text),
    CYCLONEDX: ("a bill of materials", is_cyclonedx_text),
}
