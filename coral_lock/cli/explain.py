"""`coral-runtime explain`: why a plugin is or isn't in the lock."""

from __future__ import annotations

import os
import sys

import click

from coral_lock.cli.options import (
    config_options,
    load_config,
    lock_option,
    no_exec_option,
    version_options,
)
from coral_lock.cli.place_options import place_and_target_options, place_of
from coral_lock.cli.progress import shown_progress
from coral_lock.derive.explanation import Explainer
from coral_lock.derive.locking import gathered_findings, kept_versions, survey_all
from coral_lock.derive.place import open_place
from coral_lock.descriptor.model import HostVersions
from coral_lock.errors import DOES_NOT_HOLD, HOLDS, UsageError, printable
from coral_lock.finding import ERROR
from coral_lock.lockfile.file import load_lock
from coral_lock.locking.selection import nearest_plugin
from coral_lock.messages import later_version_warning, say, say_findings, say_warning
from coral_lock.names import GROUPS, nearest_id, normalized_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.derive.explanation import Explanation
    from coral_lock.lockfile.model import Lock

_LABEL_WIDTH = 14


@click.command()
@click.argument("identifier", metavar="ID")
@config_options
@lock_option
@place_and_target_options
@no_exec_option
@version_options
def explain(
    identifier: str,
    config: str | None,
    no_config: bool,
    settings: tuple[str, ...],
    no_env: bool,
    lock: str,
    python: str | None,
    wheels: tuple[str, ...],
    site_packages: tuple[str, ...],
    target: tuple[str, ...],
    no_exec: bool,
    core_version: str | None,
    inference_version: str | None,
) -> int:
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
    _refuse_unknown_group(identifier)
    place = place_of(python, wheels, site_packages, target)
    descriptor = load_config(config, no_config, settings, no_env).with_told(
        HostVersions(core=core_version, inference=inference_version)
    )
    locked = _load(lock)
    opened = open_place(
        place,
        descriptor,
        allow_exec=not no_exec,
        kept=kept_versions(locked, ()),
        use_cache=True,
        needs_target=False,
    )
    for note in opened.notes:
        say_warning(note)
    with shown_progress() as reporter:
        surveys = survey_all(opened, descriptor, reporter)
    findings = gathered_findings(opened, {name: each.findings for name, each in surveys.items()})
    explainer = Explainer(locked, lock, opened, surveys, descriptor)
    if identifier in explainer.ids():
        explanation = explainer.plugin(identifier)
    else:
        found = explainer.distribution(normalized_name(identifier))
        if found is None:
            # What is broken may be what would offer it.
            say_findings(finding for finding in findings if finding.severity == ERROR)
            _say_unknown(identifier, explainer, None if locked is None else lock)
            return DOES_NOT_HOLD
        explanation = found
    _show(explanation)
    subjects = {identifier, *explanation.distributions}
    say_findings(finding for finding in findings if finding.subject in subjects)
    return HOLDS if explanation.is_locked else DOES_NOT_HOLD


def _refuse_unknown_group(identifier: str) -> None:
    group, separator, _ = identifier.partition(":")
    if separator and group not in GROUPS:
        near = nearest_id(identifier)
        raise UsageError(
            f"there is no group `{group}`",
            expected=f"one of {', '.join(GROUPS)}",
            hint=f"did you mean `{near}`?" if near else None,
        )


def _load(path: str) -> Lock | None:
    """Return the existing lock, and warn if it has a later minor format version.

    Raises:
        LockError: it exists and can't be read.
    """
    if not os.path.lexists(path):
        return None
    loaded = load_lock(path)
    warning = later_version_warning(loaded, path)
    if warning:
        say_warning(warning)
    return loaded


def _show(explanation: Explanation) -> None:
    sys.stdout.write(f"{printable(explanation.headline)}\n")
    for label, text in explanation.lines:
        sys.stdout.write(f"    {printable(label):<{_LABEL_WIDTH}}{printable(text)}\n")
    sys.stdout.flush()
    if explanation.advice:
        say(f"hint: {explanation.advice}")


def _say_unknown(identifier: str, explainer: Explainer, lock: str | None) -> None:
    lacking = f", and {lock} contains nothing of that name" if lock else ""
    say(f"there is no plugin `{identifier}`{lacking}")
    sought = identifier if ":" in identifier else f":{identifier}"
    near = nearest_plugin(sought, explainer.ids())
    hint = f"did you mean `{near}`?" if near else "see `coral-runtime plugins list`"
    say(f"  hint: {hint}")
