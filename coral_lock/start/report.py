"""What a start is to do, and its outcome: what was activated, what failed and why."""

from __future__ import annotations

import errno
import os
import stat

from coral_lock import canonical_json
from coral_lock.errors import HOLDS, CoralLockError, WriteError
from coral_lock.finding import (
    ERROR,
    WARNING,
    Finding,
    exit_code,
    finding_of_error,
    sorted_findings,
)
from coral_lock.record import Record
from coral_lock.safe_files import refuse_to_overwrite, write_durably

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from coral_lock.canonical_json import Value
    from coral_lock.lockfile.entries import LockedPlugin
    from coral_lock.plugin.config import RuntimeConfig
    from coral_lock.signing.accepted import Acceptance

REPORT_VERSION = "1.0"

ACTIVATED = "activated"
FAILED = "failed"
REFUSED = "refused"
UNSUPPORTED = "unsupported"
NOT_RUN = "not-run"

STARTED = "started"
VERIFIED = "verified"
UNFINISHED = "unfinished"

_ELSEWHERE = "name another file with `--report FILE`"


class PluginOutcome(Record):
    """The outcome of one plugin.

    `status` is `activated`, `failed` (it returned False or raised), `refused` (it differs
    from the lock), `unsupported` (a backend for another platform) or `not-run` (the start
    was refused). `duration_us` is the time of import and activation in microseconds.
    """

    id: str
    status: str
    distribution: str
    version: str
    reason: str | None = None
    duration_us: int = 0


class RuntimeState(Record):
    """What a runtime is: what the host reports, or without one, what was requested and tried.

    `plugins_loaded` has by id whether a plugin that was tried is active; a host has patches
    and workflows there. `patches_enabled` are the host's own patches, and `backends_enabled`
    the active backends in order, including the host's own.
    """

    platform: str = ""
    plugins_loaded: Mapping[str, bool] = {}
    patches_enabled: Mapping[str, bool] = {}
    backends_enabled: tuple[str, ...] = ()


class VerifiedLock(Record):
    """The lock that a start was verified against: its file and the SHA-256 of its bytes.

    `target` is the name of the lock's target that matches this machine, None if the lock has
    no targets or none matches. `accepted` is how the lock was accepted on this device, None if
    it wasn't, or nobody asked.
    """

    path: str
    sha256: str
    integrity: str
    target: str | None = None
    accepted: Acceptance | None = None

    def to_dict(self) -> dict[str, Value]:
        """Return the object of the report, which has had these four keys from its first version."""
        values = super().to_dict()
        del values["accepted"]
        return values


class ActivationReport(Record):
    """The outcome of a start; `schemas/activation-report.schema.json` describes its JSON form.

    `outcome` is `started`, `failed` (a plugin failed, or the host's state differs from what was
    requested), `refused` (nothing ran), `verified` (the host hasn't been imported yet) or, only
    in a file, `unfinished` (the start has begun). `lock` is None for a start without one.
    """

    outcome: str
    lock: VerifiedLock | None = None
    state: RuntimeState = RuntimeState()
    plugins: tuple[PluginOutcome, ...] = ()
    findings: tuple[Finding, ...] = ()
    log_messages: tuple[str, ...] = ()

    @property
    def locked(self) -> bool:
        return self.lock is not None

    @property
    def exit_code(self) -> int:
        return HOLDS if self.outcome in (STARTED, VERIFIED) else exit_code(self.findings)

    def to_dict(self) -> dict[str, Value]:
        """Return the JSON document of the report."""
        return {
            "report_version": REPORT_VERSION,
            "outcome": self.outcome,
            "locked": self.locked,
            "lock": self.lock.to_dict() if self.lock else None,
            "state": {
                **self.state.to_dict(),
                "backends_enabled": list(self.state.backends_enabled),
            },
            "plugins": [outcome.to_dict() for outcome in self.plugins],
            "findings": [finding.to_dict() for finding in self.findings],
            "log_messages": list(self.log_messages),
        }


def refusal_of(error: CoralLockError) -> ActivationReport:
    """Return the report of a start that an error ended before the machine was verified."""
    return ActivationReport(
        outcome=REFUSED,
        findings=tuple(map(finding_of_error, (*getattr(error, "problems", ()), error))),
        log_messages=("The start was refused before the machine was verified",),
    )


_NOT_FINISHED = ActivationReport(outcome=UNFINISHED, log_messages=("The start hasn't finished",))


class StartPlan(Record):
    """A start whose plugins are chosen.

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

    def not_run(self) -> tuple[PluginOutcome, ...]:
        """Return the outcomes of the plugins before any of them is run."""
        return tuple(
            PluginOutcome(
                id=plugin.id,
                status=NOT_RUN,
                distribution=plugin.distribution,
                version=self.versions[plugin.distribution],
            )
            for plugin in self.plugins
        )

    def report(
        self,
        outcome: str,
        plugins: tuple[PluginOutcome, ...],
        findings: Iterable[Finding] = (),
        messages: Iterable[str] = (),
        state: RuntimeState | None = None,
    ) -> ActivationReport:
        """Return the report of the start; findings and messages follow those of the plan."""
        return ActivationReport(
            outcome=outcome,
            lock=self.lock,
            state=state or self._state_after(plugins),
            plugins=plugins,
            findings=sorted_findings((*self.findings, *findings)),
            log_messages=(*self.messages, *messages),
        )

    def _state_after(self, plugins: tuple[PluginOutcome, ...]) -> RuntimeState:
        """Return the state of a runtime that no host has reported."""
        active = {
            outcome.id: outcome.status == ACTIVATED
            for outcome in plugins
            if outcome.status not in (UNSUPPORTED, NOT_RUN)
        }
        return RuntimeState(
            platform=self.config.platform,
            plugins_loaded=dict(sorted(active.items())),
            patches_enabled=self.config.built_in_patches(),
            backends_enabled=tuple(
                identifier.partition(":")[2]
                for identifier, is_active in active.items()
                if is_active and identifier.startswith("backends:")
            ),
        )

    def refused(self, message: str, *findings: Finding) -> ActivationReport:
        """Return the report of a start in which nothing is run."""
        return self.report(REFUSED, self.not_run(), findings, (message,))


def missing_variables(plugins: Iterable[LockedPlugin]) -> Iterator[Finding]:
    """Yield where a plugin needs an environment variable that isn't set, or is empty."""
    for plugin in plugins:
        for name in plugin.env:
            if not os.environ.get(name):
                yield Finding(
                    code="env-missing",
                    severity=WARNING if plugin.optional else ERROR,
                    subject=plugin.id,
                    summary=f"`{plugin.id}` needs the environment variable `{name}`",
                    expected="a value",
                    found="nothing",
                    where=plugin.entry_point,
                    hint=f"set `{name}` where the runtime is started",
                )


class ReportFile:
    """The file that `--report` names.

    It is written when the start begins, before anything is imported: a file that can't be written
    is reported then, and a start that doesn't finish never leaves an earlier report behind.

    Args:
        path: the file, None to write nothing. A pipe or a device is written at the end only.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path

    def begin(self) -> None:
        """Replace an earlier report by one that says that the start hasn't finished.

        Raises:
            InputError: the file is something else than a report.
            WriteError: it can't be written.
        """
        if self._path is None:
            return
        if not _is_stream(self._path):
            self._replace(_NOT_FINISHED)
        elif not os.access(self._path, os.W_OK):
            raise _unwritable(self._path, os.strerror(errno.EACCES))

    def write(self, report: ActivationReport) -> None:
        """Write the report of a start that has begun.

        Raises:
            WriteError: it can't be written.
        """
        if self._path is None:
            return
        text = canonical_json.write(report.to_dict())
        if not _is_stream(self._path):
            write_durably(self._path, text)
            return
        try:
            with open(self._path, "wb") as stream:
                stream.write(text.encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise _unwritable(self._path, error.strerror) from error

    def refuse(self, error: CoralLockError, report: ActivationReport) -> None:
        """Write the report of a start that an error ended, see `refusal_of`.

        A report that can't be written is ignored: the error is shown anyway.
        """
        if isinstance(error, WriteError):
            return
        try:
            self._replace(report)
        except CoralLockError:
            return

    def _replace(self, report: ActivationReport) -> None:
        if self._path is not None and not _is_stream(self._path):
            refuse_to_overwrite(self._path, "a report", is_report, _ELSEWHERE)
        self.write(report)


def is_report(text: str) -> bool:
    """Whether a text is a report written by some release of this project."""
    try:
        document = canonical_json.parse(text)
    except canonical_json.NotCanonicalError:
        return False
    return (
        isinstance(document, dict)
        and document.keys() >= _NOT_FINISHED.to_dict().keys()
        and isinstance(document["report_version"], str)
        and canonical_json.write(document) == text
    )


def _is_stream(path: str) -> bool:
    """Whether a path leads to a pipe or a device, which can't be replaced."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def _unwritable(path: str, reason: str | None) -> WriteError:
    return WriteError(f"the report can't be written: {reason}", where=path, hint=_ELSEWHERE)
