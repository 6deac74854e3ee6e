"""A locked start: verify everything, then activate what the lock names and nothing else."""

from __future__ import annotations

import hashlib
import os

from coral_lock.finding import has_errors, sorted_findings
from coral_lock.lockfile.file import decode_lock, read_lock_bytes
from coral_lock.lockfile.text import read_lock
from coral_lock.start.activation import Activator, silence_host
from coral_lock.start.bytecode_cache import default_state_directory, use_private_cache
from coral_lock.start.locked_config import locked_config
from coral_lock.start.report import (
    ACTIVATED,
    FAILED,
    NOT_RUN,
    REFUSED,
    STARTED,
    ActivationReport,
    PluginOutcome,
)
from coral_lock.verification.findings import findings_of
from coral_lock.verification.machine import PLUGINS, observe
from coral_lock.wording import later_version_warning, size_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coral_lock.descriptor.model import Descriptor
    from coral_lock.finding import Finding
    from coral_lock.lockfile.model import Lock, LockedPlugin
    from coral_lock.plugin.config import RuntimeConfig
    from coral_lock.verification.machine import MachineState


def start_locked(
    lock_path: str,
    *,
    descriptor: Descriptor | None = None,
    integrity: str = PLUGINS,
    state_directory: str | None = None,
) -> ActivationReport:
    """Verify this machine against a lock and activate the lock's plugins in this process.

    Nothing of a plugin is imported unless the whole machine matches.

    Args:
        lock_path: the lock.
        descriptor: what the command line and the environment ask for; it may not
            contradict the lock.
        integrity: `metadata`, `plugins` or `full`: whose bytes are hashed.
        state_directory: where the private bytecode cache lies.

    Raises:
        LockError: the lock can't be read.
        InputError: the bytecode cache can't be trusted.
    """
    content = read_lock_bytes(lock_path)
    lock = read_lock(decode_lock(content, lock_path), lock_path)
    config, contradictions = locked_config(lock, descriptor)
    machine = observe(lock, integrity)
    findings = sorted_findings((*contradictions, *findings_of(lock, machine)))
    messages = _messages_about(lock, lock_path, integrity)
    if descriptor is not None:
        messages.extend(descriptor.warnings)
    plugins = lock.activation_order()
    if has_errors(findings):
        return ActivationReport(
            outcome=REFUSED,
            locked=True,
            platform=lock.platform,
            plugins=tuple(PluginOutcome(id=plugin.id, status=NOT_RUN) for plugin in plugins),
            patches_enabled=config.built_in_patches(),
            findings=findings,
            log_messages=(*messages, "The machine doesn't match the lock: nothing was activated"),
        )
    no_cache = use_private_cache(
        state_directory or default_state_directory(), hashlib.sha256(content).hexdigest()[:32]
    )
    if no_cache:
        messages.append(f"No bytecode cache, so plugins are compiled at every start: {no_cache}")
    return activate_plugins(
        plugins, config, _origins(machine), locked=True, findings=findings, messages=messages
    )


def activate_plugins(
    plugins: Sequence[LockedPlugin],
    config: RuntimeConfig,
    origins: Mapping[str, str],
    *,
    locked: bool,
    findings: Sequence[Finding],
    messages: Sequence[str],
) -> ActivationReport:
    """Activate plugins in the order given and report on each.

    Args:
        plugins: what to activate; each live spec must equal its record.
        config: what each plugin is handed.
        origins: the file that each entry point's module must come from.
        locked: whether a lock was verified before; for the report.
        findings: what is known already; for the report.
        messages: the log so far.
    """
    silence_host(os.environ)
    outcomes, failures = Activator(config, origins).activate_all(plugins)
    return ActivationReport(
        outcome=FAILED if has_errors(failures) else STARTED,
        locked=locked,
        platform=config.platform,
        plugins=outcomes,
        patches_enabled=config.built_in_patches(),
        findings=sorted_findings((*findings, *failures)),
        log_messages=(*messages, *(_outcome_message(outcome) for outcome in outcomes)),
    )


def _outcome_message(outcome: PluginOutcome) -> str:
    if outcome.status == ACTIVATED:
        return f"Plugin {outcome.id} activated"
    return f"Plugin {outcome.id} {outcome.status}: {outcome.reason}"


def _messages_about(lock: Lock, lock_path: str, integrity: str) -> list[str]:
    messages = [f"Lock {lock_path}: {size_of(lock)}, integrity {integrity}"]
    warning = later_version_warning(lock, lock_path)
    return [*messages, warning] if warning else messages


def _origins(machine: MachineState) -> dict[str, str]:
    return {
        target.module: os.path.abspath(target.origin)
        for targets in machine.targets.values()
        for target in targets
        if target.origin is not None and target.is_own
    }
