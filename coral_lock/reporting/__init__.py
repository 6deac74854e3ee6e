"""The report of one start or one `verify`: what it holds, and writing it as that goes on.

It conforms to its schema whatever it is made of, and nothing that goes wrong with it fails a start.
"""

from __future__ import annotations

import os
import sys

from coral_lock import __version__, canonical_json
from coral_lock.errors import CoralLockError
from coral_lock.finding import ERROR, WARNING, Finding, sorted_findings
from coral_lock.record import Record
from coral_lock.reporting import identity
from coral_lock.reporting.spool import Reports
from coral_lock.safe_files import default_state_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from coral_lock.canonical_json import Value
    from coral_lock.lockfile.entries import HostPackage
    from coral_lock.signing.accepted import Acceptance
    from coral_lock.start.report import ActivationReport, PluginOutcome, VerifiedLock
    from coral_lock.verification.machine import InstalledHost

DEVICE_REPORT_VERSION = "1.0"
UNFINISHED = "unfinished"

_OF_PLUGINS = frozenset({"activation-failed", "host-failed", "spec-drift"})
"""The findings whose words come from code of plugins and hosts."""

_TEXTS = ("subject", "summary", "expected", "found", "where", "hint")

MOST_FINDINGS = 1000
_MOST_PLUGINS = 10_000
_MOST_SIGNERS = 64
_MOST_BYTES_OF_FINDINGS = 3 << 20
_MOST_BYTES_OF_PLUGINS = 4 << 20
"""How much each list may take; with the rest that is less than `spool.MAX_REPORT_BYTES`."""

_BYTES_OF_ENTRY = 256
"""What an entry of a list takes without its texts, rounded up."""

_LONGEST = 4096
_LONGEST_NAME = 256
_LONGEST_VERSION = 128
_LARGEST = (1 << 53) - 1
"""The largest integer that every reader of JSON keeps as it is (RFC 8259, section 6)."""


class DeviceReport(Record):
    """A report; `schemas/device-report.schema.json` describes its JSON form.

    Args:
        device, boot, sequence, started, finished, uptime_s, command, outcome, exit_code: as there.
        lock_path: the lock's file, as the command line names it.
        sha256: of its bytes, None where it can't be read.
        integrity: `metadata`, `imports` or `full`.
        target: the target of the lock that the machine is.
        accepted: under which signatures the lock was accepted, if that was compared.
        python: the full version of Python.
        platform: the platform tag of the machine.
        core: the host's distribution that is installed, if any.
        inference: the inference host's, likewise.
        plugins: what became of each plugin.
        findings: all of them.
        mask: takes a text, and whether code of a plugin made it; returns it without secrets.
    """

    device: str
    boot: str | None
    sequence: int
    started: str
    finished: str | None
    uptime_s: float | None
    command: str
    outcome: str
    exit_code: int | None
    lock_path: str
    sha256: str | None
    integrity: str
    target: str | None
    accepted: Acceptance | None
    python: str
    platform: str
    core: HostPackage | None
    inference: HostPackage | None
    plugins: tuple[PluginOutcome, ...]
    findings: tuple[Finding, ...]
    mask: Callable[[str, bool], str]

    def to_dict(self) -> dict[str, Value]:
        """Return the JSON document, valid by its schema."""
        totals = {
            severity: sum(finding.severity == severity for finding in self.findings)
            for severity in (ERROR, WARNING)
        }
        return {
            "device_report_version": DEVICE_REPORT_VERSION,
            "device": self.device,
            "boot": self.boot,
            "sequence": self.sequence,
            "started": self.started,
            "finished": self.finished,
            "uptime_s": self.uptime_s,
            "age_s": None,
            "tool_version": __version__,
            "command": self.command,
            "outcome": self.outcome,
            "exit_code": self.exit_code,
            "lock": {
                "path": _fit(self.lock_path),
                "sha256": self.sha256,
                "integrity": self.integrity,
                "target": self.target and _fit(self.target, _LONGEST_NAME),
                "accepted": _accepted(self.accepted),
            },
            "machine": {"python": self.python, "platform": _fit(self.platform, _LONGEST_VERSION)},
            "host": {"core": _package(self.core), "inference": _package(self.inference)},
            "plugins": list(self._plugins()),
            "findings": list(self._findings()),
            "findings_total": totals,
            "uncovered_children": sum(
                finding.code == "uncovered-child" for finding in self.findings
            ),
        }

    def _plugins(self) -> Iterator[Value]:
        left = _MOST_BYTES_OF_PLUGINS
        for plugin in self.plugins[:_MOST_PLUGINS]:
            reason = plugin.reason
            if reason is not None:
                longest = _LONGEST if left > _MOST_BYTES_OF_PLUGINS // 2 else _LONGEST_VERSION
                reason = _fit(self.mask(reason, True), longest)
            entry: dict[str, Value] = {
                "id": _fit(plugin.id, _LONGEST_NAME),
                "status": plugin.status,
                "distribution": _fit(plugin.distribution, _LONGEST_NAME),
                "version": _fit(plugin.version, _LONGEST_VERSION),
                "reason": reason,
                "duration_us": min(max(plugin.duration_us, 0), _LARGEST),
            }
            left -= _bytes_of(entry)
            if left < 0:
                return
            yield entry

    def _findings(self) -> Iterator[Value]:
        left = _MOST_BYTES_OF_FINDINGS
        for finding in sorted_findings(self.findings)[:MOST_FINDINGS]:
            fields = finding.to_dict()
            is_of_plugin = finding.code in _OF_PLUGINS
            for name in _TEXTS:
                value = fields[name]
                if value is not None:
                    fields[name] = _fit(self.mask(value, is_of_plugin))
            left -= _bytes_of(fields)
            if left < 0:
                return
            yield fields


def _fit(text: str, longest: int = _LONGEST) -> str:
    """Return a text that JSON of any reader can hold: half of a surrogate pair is no character."""
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _bytes_of(entry: Mapping[str, object]) -> int:
    """Return what an entry of a list takes as JSON, at the most."""
    size = _BYTES_OF_ENTRY
    for text in entry.values():
        if isinstance(text, str):
            # JSON writes a quote as two characters, and a control character as six.
            size += len(text) * (2 if text.isascii() and text.isprintable() else 6)
    return size


def _package(package: HostPackage | None) -> Value:
    if package is None:
        return None
    return {
        "distribution": _fit(package.distribution, _LONGEST_NAME),
        "version": _fit(package.version, _LONGEST_VERSION),
    }


def _accepted(accepted: Acceptance | None) -> Value:
    if accepted is None:
        return None
    return {
        "channel": _fit(accepted.channel, _LONGEST_VERSION),
        "serial": accepted.serial,
        "signers": sorted(accepted.signers)[:_MOST_SIGNERS],
        "rollback": None if accepted.rollback is None else _fit(accepted.rollback, 1024),
    }


def _absolute(path: str) -> str:
    try:
        return os.path.abspath(path)
    except OSError:
        # The working directory was removed, so there is nothing at the path, either.
        return path


class ReportWriter:
    """The report of one start or of one `verify`, which is written again under its number.

    Args:
        command: `init`, `run`, `api` or `verify`.
        lock_path: the lock.
        integrity: `metadata`, `imports` or `full`.
        state_directory: where reports are kept, None for the default.
        device_id: what `--device-id` says.
        textfile: what `--textfile` says.

    Attributes:
        problems: what couldn't be written, for the log of the start.

    Raises:
        UsageError: `device_id` can't name a device.
    """

    def __init__(
        self,
        command: str,
        lock_path: str,
        integrity: str,
        *,
        state_directory: str | None = None,
        device_id: str | None = None,
        textfile: str | None = None,
    ) -> None:
        self._command, self._lock_path, self._integrity = command, lock_path, integrity
        # A program may change the working directory before the last report is written.
        self._state_directory = _absolute(state_directory or default_state_directory())
        self._reports = Reports(self._state_directory)
        self._textfile = None if textfile is None else _absolute(textfile)
        self._device = identity.given_device_id(device_id, {})
        self._process = os.getpid()
        self._started, self._boot = identity.utc_now(), identity.boot_id()
        self._sequence = 0
        self._host: InstalledHost = (None, None)
        self._services: Mapping[str, Any] = {}
        self._secrets: tuple[str, ...] | None = None
        self.problems: tuple[str, ...] = ()

    def begin(self, lock: VerifiedLock, host: InstalledHost) -> None:
        """Say that a start has begun, so that one that never ends is seen, and under which lock.

        Args:
            lock: the lock.
            host: see `learn`.
        """
        self.learn(host)
        self.write(UNFINISHED, sha256=lock.sha256, target=lock.target, accepted=lock.accepted)

    def learn(self, host: InstalledHost) -> None:
        """Take the core and the inference host that are installed."""
        self._host = host

    def keep_secret(self, services: Mapping[str, Any]) -> None:
        """Take what plugins are handed, whose secrets no report may hold."""
        self._services, self._secrets = services, None

    def tell(
        self, report: ActivationReport, is_finished: bool, exit_code: int | None = None
    ) -> None:
        """Write what the activation report of a start says, see `write`."""
        lock = report.lock
        self.write(
            report.outcome,
            sha256=lock.sha256 if lock else None,
            target=lock.target if lock else None,
            accepted=lock.accepted if lock else None,
            plugins=report.plugins,
            findings=report.findings,
            is_finished=is_finished,
            exit_code=exit_code,
        )

    def write(
        self,
        outcome: str,
        *,
        sha256: str | None = None,
        target: str | None = None,
        accepted: Acceptance | None = None,
        plugins: Sequence[PluginOutcome] = (),
        findings: Sequence[Finding] = (),
        is_finished: bool = False,
        exit_code: int | None = None,
    ) -> None:
        """Write the report, unless this is a fork of the process that began it.

        Args:
            outcome: the outcome.
            sha256: of the lock that was compared, if it could be read.
            target: its target that the machine is.
            accepted: under which signatures it was accepted.
            plugins: what became of each.
            findings: all of them.
            is_finished: whether this is the end.
            exit_code: what the command ends with.
        """
        if os.getpid() != self._process:
            return
        try:
            self._write(
                outcome=outcome,
                sha256=sha256 or (self._digest_of_lock() if is_finished else None),
                target=target,
                accepted=accepted,
                plugins=tuple(plugins),
                findings=tuple(findings),
                finished=identity.utc_now() if is_finished else None,
                exit_code=exit_code,
            )
        except Exception as error:
            # Whatever it is: a device starts without a report rather than not at all.
            self._note(f"No device report: {type(error).__name__}: {error}")

    def _write(self, **facts: Any) -> None:
        report: DeviceReport | None = None
        try:
            with self._reports as reports:
                if not self._sequence:
                    self._sequence = reports.next_sequence()
                report = self._report(self._device_id(reports.directory), facts)
                reports.put(self._sequence, canonical_json.write(report.to_dict()))
        except OSError as error:
            place = f"`{error.filename or self._state_directory}`: "
            self._note(f"No device report: {place}{error.strerror or error}")
        if self._textfile is not None:
            from coral_lock.reporting.textfile import write_textfile

            try:
                write_textfile(self._textfile, report or self._report(self._device or "", facts))
            except CoralLockError as error:
                self._warn(error)

    def _device_id(self, directory: str) -> str:
        if self._device is None:
            try:
                self._device = identity.given_device_id(None, os.environ)
            except CoralLockError as error:
                self._warn(error)
            self._device = self._device or identity.own_device_id(directory)
        return self._device

    def _report(self, device: str, facts: Mapping[str, Any]) -> DeviceReport:
        core, inference = self._host
        return DeviceReport(
            device=device,
            boot=self._boot,
            sequence=self._sequence,
            started=self._started,
            uptime_s=identity.uptime(),
            command=self._command,
            lock_path=self._lock_path,
            integrity=self._integrity,
            python=".".join(map(str, sys.version_info[:3])),
            platform=identity.this_platform(),
            core=core,
            inference=inference,
            mask=self._mask,
            **facts,
        )

    def _mask(self, text: str, is_of_plugin: bool) -> str:
        """Return a text without secrets: those of `services`, and in plugins' words all.

        `masking` needs `re`, so it is imported only where something could be a secret.
        """
        if self._secrets is None:
            self._secrets = ()
            if self._services:
                from coral_lock.masking import secrets_in, spellings

                secrets = {
                    each for secret in secrets_in(self._services) for each in spellings(secret)
                }
                self._secrets = tuple(sorted(secrets, key=lambda each: (-len(each), each)))
        if self._secrets:
            from coral_lock.masking import without_secrets

            text = without_secrets(text, self._secrets)
        if is_of_plugin and ("=" in text or ":" in text):
            from coral_lock.masking import masked

            return str(masked(text))
        return text

    def _digest_of_lock(self) -> str | None:
        """Return the SHA-256 of a lock that couldn't be used; None where it can't be read."""
        from hashlib import sha256

        from coral_lock.lockfile.file import read_lock_bytes

        try:
            return sha256(read_lock_bytes(self._lock_path)).hexdigest()
        except CoralLockError:
            return None

    def _note(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems = (*self.problems, problem)

    def _warn(self, error: CoralLockError) -> None:
        """Warn of what an error says, once."""
        problem = f"No device report as was asked for: {error}"
        if problem not in self.problems:
            from coral_lock.messages import say_warning

            say_warning(error)
        self._note(problem)
