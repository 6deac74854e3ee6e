"""`coral-runtime log`: what each commit changed about a lock."""

from __future__ import annotations

import itertools
import os

import click

from coral_lock.canonical_json import Value
from coral_lock.cli.application import lock_option
from coral_lock.cli.formats import emit, format_option
from coral_lock.difference.text import render_text
from coral_lock.errors import HOLDS, printable
from coral_lock.history import LockCommit, lock_history
from coral_lock.rendering.outcome import Outcome
from coral_lock.repository import Repository

_MAX_SHOWN_CHANGES = 12


@click.command()
@click.argument("revision", default="HEAD")
@lock_option
@click.option(
    "-n",
    "--max-count",
    type=click.IntRange(min=1),
    metavar="N",
    help="The number of commits to show.",
)
@format_option("text", "json")
def log(revision: str, lock: str, max_count: int | None, output_format: str) -> int:
    """Show which plugins and distributions each commit changed, the newest first.

    The lock is followed through renames. Of a merge those changes are shown that none of its
    parents has.

    \b
    Examples:
      coral-runtime log
      coral-runtime log -n 5 main
      coral-runtime log --output-format json
    """
    repository = Repository(os.path.dirname(lock) or ".")
    found = lock_history(repository, repository.relative(lock), revision)
    commits = list(itertools.islice(found, max_count))
    outcome = Outcome(
        document={"commits": [to_dict(each) for each in commits]},
        text="\n".join(_text(each) for each in commits),
    )
    emit(outcome, output_format)
    return HOLDS


def to_dict(found: LockCommit) -> dict[str, Value]:
    """Return a commit as a JSON object."""
    commit = found.commit
    return {
        "commit": commit.name,
        "author": commit.author,
        "date": commit.date,
        "subject": commit.subject,
        "path": commit.path,
        "changes": [change.to_dict() for change in found.changes],
        "problem": found.problem.message if found.problem else None,
    }


def headline(found: LockCommit) -> str:
    """Return what a commit is, on one line."""
    commit = found.commit
    return printable(f"{commit.name[:10]} {commit.date[:10]} {commit.author}: {commit.subject}")


def _text(found: LockCommit) -> str:
    if found.problem is not None:
        account = f"the lock can't be read: {printable(found.problem.message)}\n"
    elif not found.changes:
        account = "no changes\n"
    else:
        account = render_text(found.changes, _MAX_SHOWN_CHANGES, is_brief=True)
    lines = [f"  {line}" if line else "" for line in account.splitlines()]
    return "\n".join([headline(found), *lines]) + "\n"
