"""The outcome of a start: what was activated, what failed and why, as one document."""

from __future__ import annotations

from coral_lock.errors import HOLDS
from coral_lock.finding import exit_code
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from coral_lock.canonical_json import Value
    from coral_lock.finding import Finding
    from coral_lock.host.context import HostState

REPORT_VERSION = "1.0"

ACTIVATED = "activated"
FAILED = "failed"
REFUSED = "refused"
UNSUPPORTED = "unsupported"
NOT_RUN = "not-run"

STARTED = "started"
VERIFIED = "verified"
UNFINISHED = "unfinished"


class PluginOutcome(Record):
    """What became of one plugin.

    `status` is `activated`, `failed` (it returned False or raised), `refused` (it isn't
    what the lock says), `unsupported` (a backend for another platform) or `not-run` (the
    start was refused). `duration_us` counts microseconds of import and activation.
    """

    id: str
    status: str
    distribution: str
    version: str
    reason: str | None = None
    duration_us: int = 0


class VerifiedLock(Record):
    """The lock that a start was verified against: its file and the SHA-256 of its bytes.

    `target` is the name of the lock's target that this machine is; None where the lock has
    no targets, or none is like this machine.
    """

    path: str
    sha256: str
    integrity: str
    target: str | None = None


class ActivationReport(Record):
    """The outcome of `init`, whose JSON form is `schemas/activation-report.schema.json`.

    `outcome` is `started`, `failed` (a plugin failed, or the host isn't what it was asked to
    be), `refused` (nothing ran), `verified` (the host hasn't been imported yet) or, in a file
    alone, `unfinished` (the start has begun). `lock` is None for a start without one. `host` is
    what the host says of itself, None where none has started: then `platform` and
    `patches_enabled` are what was asked for.
    """

    outcome: str
    lock: VerifiedLock | None
    platform: str
    plugins: tuple[PluginOutcome, ...]
    patches_enabled: Mapping[str, bool]
    host: HostState | None = None
    findings: tuple[Finding, ...] = ()
    log_messages: tuple[str, ...] = ()

    @property
    def locked(self) -> bool:
        return self.lock is not None

    @property
    def exit_code(self) -> int:
        return HOLDS if self.outcome in (STARTED, VERIFIED) else exit_code(self.findings)

    def plugins_loaded(self) -> dict[str, bool]:
        """Return each plugin that was tried, and whether it is active.

        Where a host has started, it is what the host says of patches and workflows.
        """
        if self.host is not None:
            return dict(self.host.plugins_loaded)
        return {
            outcome.id: outcome.status == ACTIVATED
            for outcome in sorted(self.plugins, key=lambda outcome: outcome.id)
            if outcome.status not in (UNSUPPORTED, NOT_RUN)
        }

    def backends_enabled(self) -> list[str]:
        """Return the names of the backends that are active, in order of activation.

        Where a host has started, its own are among them.
        """
        if self.host is not None:
            return list(self.host.backends_enabled)
        return [
            outcome.id.partition(":")[2]
            for outcome in self.plugins
            if outcome.id.startswith("backends:") and outcome.status == ACTIVATED
        ]

    def to_dict(self) -> dict[str, Value]:
        """Return the JSON document of the report."""
        return {
            "report_version": REPORT_VERSION,
            "outcome": self.outcome,
            "locked": self.locked,
            "lock": {field: getattr(self.lock, field) for field in VerifiedLock._fields}
            if self.lock
            else None,
            "state": {
                "platform": self.platform,
                "plugins_loaded": self.plugins_loaded(),
                "patches_enabled": dict(sorted(self.patches_enabled.items())),
                "backends_enabled": self.backends_enabled(),
            },
            "plugins": [
                {field: getattr(outcome, field) for field in PluginOutcome._fields}
                for outcome in self.plugins
            ],
            "findings": [finding.to_dict() for finding in self.findings],
            "log_messages": list(self.log_messages),
        }
