"""`coral-runtime fetch`: download what a wheelhouse lacks of the lock."""

from __future__ import annotations

import click

from coral_lock.cli.application import lock_option
from coral_lock.cli.formats import as_lines, emit, format_option
from coral_lock.cli.progress import shown_progress
from coral_lock.errors import HOLDS, UsageError, quoted
from coral_lock.export.download import Fetched, Pip, fetch_wheels
from coral_lock.finding import exit_code
from coral_lock.lockfile.file import load_lock
from coral_lock.messages import counted, say, warned
from coral_lock.rendering.outcome import Outcome


@click.command()
@click.option(
    "--wheels",
    metavar="DIR",
    required=True,
    help="The wheelhouse to fill; created where there is none.",
)
@lock_option
@click.option(
    "--target",
    metavar="NAME",
    multiple=True,
    help="Fetch what one target of the lock needs, instead of all. May be repeated.",
)
@format_option("text", "json")
@click.argument("arguments", nargs=-1, metavar="[-- ARGUMENTS OF pip download]...")
def fetch(
    wheels: str,
    lock: str,
    target: tuple[str, ...],
    output_format: str,
    arguments: tuple[str, ...],
) -> int:
    """Download the locked wheels that a wheelhouse lacks. Nothing is installed or run.

    pip downloads them, from the index of your own configuration (pip.conf, PIP_INDEX_URL)
    or of the arguments after `--`. Each is compared with the lock's digest, and only the
    wheel that was locked gets into the wheelhouse. Nothing there is overwritten.

    The file names of new wheels go to standard output. The exit code is 0 if all the locked
    wheels are there, 1 if one can't be had, and 3 if one has other bytes.

    \b
    Examples:
      coral-runtime fetch --wheels wheelhouse
      coral-runtime fetch --wheels wheelhouse --target jetson
      coral-runtime fetch --wheels wheelhouse -- --index-url https://pypi.example.org/simple
    """
    if arguments and not arguments[0].startswith("-"):
        raise UsageError(
            f"{quoted(arguments[0])} isn't downloaded: the lock says what is",
            hint="pass options of `pip download` after `--`, or none",
        )
    loaded = warned(load_lock(lock), lock)
    with shown_progress() as reporter:
        fetched = fetch_wheels(loaded, wheels, target, Pip(arguments), reporter)
    code = exit_code(fetched.findings)
    outcome = Outcome(
        document={
            "lock": lock,
            "wheels": wheels,
            "targets": list(target),
            "present": fetched.present,
            "fetched": list(fetched.fetched),
            "left_out": [
                {"distribution": each.name, "version": each.version, "reason": each.reason}
                for each in fetched.left_out
            ],
            "holds": code == HOLDS,
        },
        text=as_lines(fetched.fetched),
        findings=fetched.findings,
    )
    emit(outcome, output_format)
    for each in fetched.left_out:
        say(f"not fetched: {each.name} {each.version}, as {each.reason}")
    say(f"{wheels}: {_summary(fetched)}")
    return code


def _summary(fetched: Fetched) -> str:
    if fetched.fetched or fetched.findings:
        added = counted(len(fetched.fetched), "wheel")
        return f"{added} fetched, {fetched.present} already there"
    return f"all locked wheels are there: {fetched.present}"
