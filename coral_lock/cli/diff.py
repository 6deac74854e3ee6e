"""`coral-runtime diff`: what a change of the lock means."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from coral_lock.cli.application import lock_option
from coral_lock.cli.formats import emit, output_file_option, output_format_option
from coral_lock.cli.progress import shown_progress
from coral_lock.difference.changes import without_entries
from coral_lock.difference.model import LEVELS, RISKS, Change
from coral_lock.difference.text import render_text
from coral_lock.errors import DOES_NOT_HOLD, HOLDS, UsageError
from coral_lock.finding import exit_code as exit_code_of
from coral_lock.history import changes_between, lock_of_revision, locks_of_range
from coral_lock.lockfile.file import parse_lock, read_lock_bytes, read_lock_stream
from coral_lock.lockfile.model import Lock
from coral_lock.messages import counted, say, warned
from coral_lock.rendering.code import render_code
from coral_lock.rendering.outcome import Outcome, Side
from coral_lock.repository import Repository

# Without the files of a lock, nothing that reads them is imported.
if TYPE_CHECKING:
    from coral_lock.derive.code import ComparedCode


@click.command()
@click.argument("old", metavar="[OLD", required=False)
@click.argument("new", metavar="NEW]", required=False)
@click.option(
    "--git",
    "revisions",
    metavar="[REV[..REV]]",
    is_flag=False,
    flag_value="HEAD",
    help="Compare the lock of two revisions, or of one (HEAD) with the file. With `...` as in "
    "`main...HEAD`, from where the second left the first.",
)
@lock_option
@click.option(
    "--wheels",
    metavar="OLD_DIR NEW_DIR",
    nargs=2,
    help="Compare the files too: the wheels of each lock are in these directories.",
)
@click.option(
    "--site-packages",
    metavar="OLD_DIR NEW_DIR",
    nargs=2,
    help="Compare the files too: what each lock names is installed in these directories.",
)
@click.option(
    "--python",
    metavar="OLD NEW",
    nargs=2,
    help="Compare the files too: what each lock names is installed for these interpreters, or "
    "in these virtual environments.",
)
@output_format_option
@output_file_option
@click.option("--exit-code", is_flag=True, help="Exit with 1 if the locks differ.")
@click.option(
    "--fail-on",
    metavar="RISK|LEVEL",
    multiple=True,
    type=click.Choice((*LEVELS, *RISKS)),
    help=f"Exit with 1 if a change has this risk, or one of at least this level "
    f"({', '.join(reversed(LEVELS))}). May be repeated.",
)
def diff(
    old: str | None,
    new: str | None,
    revisions: str | None,
    lock: str,
    wheels: tuple[str, str] | None,
    site_packages: tuple[str, str] | None,
    python: tuple[str, str] | None,
    output_format: str,
    output_file: str | None,
    exit_code: bool,
    fail_on: tuple[str, ...],
) -> int:
    """Show what changed between two locks, by plugin and distribution.

    The riskiest changes come first, those of a high or medium risk marked with `!`: bytes that
    changed under the same version, code that comes from elsewhere, a new plugin or
    distribution. A change in what plugins require says through which plugins.

    OLD and NEW are files, pipes, `-` for standard input, or `REV:PATH` for the file of a
    revision in git. With --git the lock is compared as git knows it, even if it was renamed,
    added or removed.

    With --wheels, --site-packages or --python, each distribution that is new or has other bytes
    is looked into: which of its files changed, and how, and what its code newly uses that
    deserves a look, e.g. `subprocess`. Files that aren't those of their lock aren't compared,
    and the exit code is 3.

    \b
    Examples:
      coral-runtime diff main.lock coral.lock
      coral-runtime diff main:coral.lock coral.lock
      coral-runtime diff --git
      coral-runtime diff --git main...HEAD --output-format markdown --output-file comment.md
      coral-runtime diff --git main...HEAD --fail-on high --fail-on new-distribution
      coral-runtime diff old.lock coral.lock --wheels old-wheels wheelhouse
    """
    before, after = _sides(old, new, revisions, lock)
    changes = changes_between(before[0], after[0])
    places = {"wheels": wheels, "site_packages": site_packages, "python": python}
    compared = _compare_code((before[0], after[0]), changes, places)
    text = render_text(changes)
    if compared is not None:
        changes = compared.changes
        text = "\n".join(filter(None, [render_text(changes), render_code(compared.code)]))
    outcome = Outcome(
        document={"format_version": "1.0", "old": before[1], "new": after[1]},
        text=text,
        findings=compared.findings if compared else None,
        changes=changes,
        code=compared.code if compared else None,
        locks=(before, (after[0], _file_of(after[1]))),
    )
    emit(outcome, output_format, output_file, is_summarized=True)
    for side, other, word in ((before, after, "added"), (after, before, "removed")):
        if side[0] is None and other[0] is not None:
            say(f"the lock is {word}: `{side[1]}` doesn't exist")
    if not changes:
        say("no changes")
    elif compared and not compared.code and not compared.findings:
        say("no distribution has other files")
    refused = [change for change in changes if _is_refused(change, fail_on)]
    if refused:
        say(f"{counted(len(refused), 'change')} with a risk of `--fail-on {' '.join(fail_on)}`")
    if compared and compared.findings:
        return exit_code_of(compared.findings)
    return DOES_NOT_HOLD if refused or (changes and exit_code) else HOLDS


def _compare_code(
    locks: tuple[Lock | None, Lock | None],
    changes: Sequence[Change],
    places: Mapping[str, tuple[str, str] | None],
) -> ComparedCode | None:
    """Return what the files behind the locks differ in, None where no option names them."""
    named = {kind: pair for kind, pair in places.items() if pair}
    known = locks[1] or locks[0]
    if not named or known is None:
        return None
    from coral_lock.derive.code import compare_code
    from coral_lock.derive.place import Place

    before, after = (
        Place(
            python=named["python"][side] if "python" in named else None,
            wheels=(named["wheels"][side],) if "wheels" in named else (),
            site_packages=(named["site_packages"][side],) if "site_packages" in named else (),
        )
        for side in (0, 1)
    )
    old, new = (lock or without_entries(known, known.targets) for lock in locks)
    with shown_progress() as reporter:
        return compare_code(old, new, changes, (before, after), reporter)


def _sides(old: str | None, new: str | None, revisions: str | None, lock: str) -> tuple[Side, Side]:
    """Return the two locks to compare, each with its name."""
    if revisions is not None:
        if old is not None:
            raise UsageError(
                "`--git` compares the lock with itself",
                expected="no files beside it",
                found=old,
                hint="name another lock with `--lock FILE`",
            )
        return locks_of_range(Repository(os.path.dirname(lock) or "."), lock, revisions)
    if old is None or new is None:
        raise UsageError(
            "two locks are compared",
            expected="`OLD` and `NEW`, or `--git`",
            hint="`coral-runtime diff main:coral.lock coral.lock`",
        )
    if old == new == "-":
        raise UsageError(
            "only one of the locks can be read from standard input",
            expected="a file for one of them",
            hint="`git show main:coral.lock | coral-runtime diff - coral.lock`",
        )
    return (_load(old), old), (_load(new), new)


def _file_of(name: str) -> str:
    """Return the file of a lock by the name of its side, which may be `REV:PATH`.

    It is relative if it is in the working directory.
    """
    path = name.partition(":")[2] if _is_revision(name) else name
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


def _is_revision(name: str) -> bool:
    return name != "-" and ":" in name and not os.path.lexists(name)


def _load(path: str) -> Lock:
    if _is_revision(path):
        return warned(lock_of_revision(path), path)
    is_stream = path == "-" or (os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode))
    content = read_lock_stream(path) if is_stream else read_lock_bytes(path)
    return warned(parse_lock(content, path), path)


def _is_refused(change: Change, fail_on: tuple[str, ...]) -> bool:
    levels = {
        level for least in fail_on if least in LEVELS for level in LEVELS[: LEVELS.index(least) + 1]
    }
    return any(risk.code in fail_on or risk.level in levels for risk in change.risks)
