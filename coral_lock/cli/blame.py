"""`coral-runtime blame`: which commit brought a plugin to its present state."""

from __future__ import annotations

import os

import click

from coral_lock.canonical_json import Value
from coral_lock.cli.application import lock_option
from coral_lock.cli.formats import emit, format_option
from coral_lock.cli.grammar import no_such
from coral_lock.cli.log import headline, to_dict
from coral_lock.difference.text import render_text
from coral_lock.errors import DOES_NOT_HOLD, HOLDS, LockError, UsageError
from coral_lock.history import LockCommit, lock_history, lock_of
from coral_lock.lockfile.model import Lock
from coral_lock.messages import say
from coral_lock.names import base_id, normalized_name
from coral_lock.rendering.outcome import Outcome
from coral_lock.repository import Repository


@click.command()
@click.argument("identifier", metavar="ID")
@click.argument("revision", default="HEAD")
@lock_option
@format_option("text", "json")
def blame(identifier: str, revision: str, lock: str, output_format: str) -> int:
    """Show which commit brought a plugin to its present state.

    ID is a plugin, activated or left out, or a distribution. Of a plugin the last change of its
    entry is shown and the last one of its distribution, whose bytes are its code.

    \b
    Examples:
      coral-runtime blame patches:camera_stabilizer
      coral-runtime blame numpy
      coral-runtime blame patches:camera_stabilizer v1.2.0
    """
    repository = Repository(os.path.dirname(lock) or ".")
    path = repository.relative(lock)
    present = lock_of(repository.blob(revision, path), f"{revision}:{path}")
    if present is None:
        raise LockError("there is no lock", where=f"{revision}:{path}")
    wanted = _subjects(present, identifier)
    found: dict[str, LockCommit] = {}
    for each in lock_history(repository, path, revision):
        for change in each.changes:
            subject = change.subject
            name = subject if subject in wanted else base_id(subject)
            if name in wanted and (":" in name) == (change.place[0] != "distributions"):
                found.setdefault(name, each)
        if len(found) == len(wanted):
            break
    entries: list[Value] = [
        {"entry": name, **to_dict(found[name])} for name in wanted if name in found
    ]
    text = "".join(_text(name, found[name]) for name in wanted if name in found)
    emit(Outcome(document={"id": identifier, "entries": entries}, text=text), output_format)
    if len(found) < len(wanted):
        say("the history doesn't reach back to where the rest comes from")
        return DOES_NOT_HOLD
    return HOLDS


def _subjects(lock: Lock, identifier: str) -> list[str]:
    """Return what is to be looked for: a plugin and its distribution, or a distribution."""
    providers = {base_id(plugin.id): plugin.distribution for plugin in lock.excluded}
    providers.update((plugin.id, plugin.distribution) for plugin in lock.plugins)
    locked = {each.name for each in lock.distributions}
    if identifier in providers:
        provider = providers[identifier]
        return [identifier, provider] if provider in locked else [identifier]
    name = normalized_name(identifier)
    if name in locked:
        return [name]
    raise UsageError(
        no_such("plugin or distribution in the lock", identifier, (*providers, *sorted(locked))),
        hint="name a plugin as the lock does, e.g. `patches:NAME`",
    )


def _text(name: str, found: LockCommit) -> str:
    changes = [
        each for each in found.changes if base_id(each.subject) == name or each.subject == name
    ]
    account = render_text(changes, is_brief=True).splitlines()[1:]
    return "\n".join([f"{name}: {headline(found)}", *account]) + "\n"
