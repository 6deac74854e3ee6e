"""What a start with a lock and one without have in common once the plugins are chosen."""

from __future__ import annotations

import os

from coral_lock.finding import has_errors, sorted_findings
from coral_lock.import_guard import lower_import_guard
from coral_lock.record import Record
from coral_lock.start.activation import Activator, silence_host
from coral_lock.start.report import (
    ACTIVATED,
    FAILED,
    NOT_RUN,
    REFUSED,
    STARTED,
    ActivationReport,
    PluginOutcome,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from coral_lock.finding import Finding
    from coral_lock.lockfile.entries import LockedPlugin
    from coral_lock.plugin.config import RuntimeConfig
    from coral_lock.start.report import VerifiedLock


class Starting(Record):
    """A start that is about to happen.

    Args:
        plugins: what to activate, in this order; each live spec must equal its record.
        versions: the version of each plugin's distribution, by name.
        config: what each plugin is handed.
        lock: the lock that was verified, or None.
        findings: what is known already.
        messages: the log so far.
    """

    plugins: tuple[LockedPlugin, ...]
    versions: Mapping[str, str]
    config: RuntimeConfig
    lock: VerifiedLock | None
    findings: tuple[Finding, ...]
    messages: tuple[str, ...]


def refuse(starting: Starting, message: str) -> ActivationReport:
    """Return the report of a start in which nothing is run."""
    return ActivationReport(
        outcome=REFUSED,
        lock=starting.lock,
        platform=starting.config.platform,
        plugins=tuple(
            PluginOutcome(
                id=plugin.id,
                status=NOT_RUN,
                distribution=plugin.distribution,
                version=starting.versions[plugin.distribution],
            )
            for plugin in starting.plugins
        ),
        patches_enabled=starting.config.built_in_patches(),
        findings=starting.findings,
        log_messages=(*starting.messages, message),
    )


def activate(starting: Starting) -> ActivationReport:
    """Activate the plugins in this process, without the host, and report on each."""
    lower_import_guard()
    silence_host(os.environ)
    activator = Activator(starting.config, starting.versions)
    outcomes, failures = activator.activate_all(starting.plugins)
    return ActivationReport(
        outcome=FAILED if has_errors(failures) else STARTED,
        lock=starting.lock,
        platform=starting.config.platform,
        plugins=outcomes,
        patches_enabled=starting.config.built_in_patches(),
        findings=sorted_findings((*starting.findings, *failures)),
        log_messages=(*starting.messages, *map(outcome_message, outcomes)),
    )


def outcome_message(outcome: PluginOutcome) -> str:
    """Return what the log says of a plugin."""
    if outcome.status == ACTIVATED:
        return f"Plugin {outcome.id} activated"
    return f"Plugin {outcome.id} {outcome.status}: {outcome.reason}"
