"""`coral-runtime explain`: why a plugin is or isn't in the lock."""

from __future__ import annotations

import os

import click

from coral_lock.cli.application import lock_option
from coral_lock.cli.options import Inputs, input_options, known_group
from coral_lock.derive.explanation import Explainer
from coral_lock.derive.locking import kept_versions
from coral_lock.errors import DOES_NOT_HOLD, HOLDS, printable
from coral_lock.finding import ERROR
from coral_lock.lockfile.file import load_lock
from coral_lock.locking.selection import nearest_plugin
from coral_lock.messages import say, say_findings, warned
from coral_lock.names import normalized_name


@click.command()
@click.argument("identifier", metavar="ID", callback=known_group)
@lock_option
@input_options
def explain(identifier: str, lock: str, inputs: Inputs) -> int:
    """Explain why a plugin is or isn't in the lock.

    ID is a plugin's id, or the name of a distribution in the lock. The place that the options
    name is inspected again, and what would be chosen there is compared with the lock; nothing
    is written. The exit code is 1 if the lock doesn't contain it.

    \b
    Examples:
      coral-runtime explain patches:camera_stabilizer -c runtime.yaml
      coral-runtime explain patches:denoise -c runtime.yaml --wheels wheelhouse
      coral-runtime explain numpy
    """
    locked = warned(load_lock(lock), lock) if os.path.lexists(lock) else None
    opened = inputs.open(kept_versions(locked, ()))
    surveys, findings = inputs.survey(opened)
    explainer = Explainer(locked, lock, opened, surveys, inputs.descriptor)
    explanation = (
        explainer.plugin(identifier)
        if identifier in explainer.ids()
        else explainer.distribution(normalized_name(identifier))
    )
    if explanation is None:
        # What is broken may be what would offer it.
        say_findings(finding for finding in findings if finding.severity == ERROR)
        _say_unknown(identifier, explainer, None if locked is None else lock)
        return DOES_NOT_HOLD
    click.echo(printable(explanation.headline))
    for label, text in explanation.lines:
        click.echo(f"    {printable(label):<14}{printable(text)}")
    if explanation.advice:
        say(f"hint: {explanation.advice}")
    subjects = {identifier, *explanation.distributions}
    say_findings(finding for finding in findings if finding.subject in subjects)
    return HOLDS if explanation.is_locked else DOES_NOT_HOLD


def _say_unknown(identifier: str, explainer: Explainer, lock: str | None) -> None:
    lacking = f", and {lock} contains nothing of that name" if lock else ""
    say(f"there is no plugin `{identifier}`{lacking}")
    near = nearest_plugin(identifier, explainer.ids())
    hint = f"did you mean `{near}`?" if near else "see `coral-runtime plugins list`"
    say(f"  hint: {hint}")
