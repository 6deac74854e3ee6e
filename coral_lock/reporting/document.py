"""The report of a device as a document, within the bounds of its schema whatever it is made of."""

from __future__ import annotations

from coral_lock import __version__, canonical_json
from coral_lock.finding import ERROR, WARNING, sorted_findings
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coral_lock.canonical_json import Value
    from coral_lock.finding import Finding
    from coral_lock.lockfile.entries import HostPackage
    from coral_lock.signing.accepted import Acceptance
    from coral_lock.start.report import PluginOutcome


DEVICE_REPORT_VERSION = "1.0"

_OF_PLUGINS = frozenset({"activation-failed", "host-failed", "spec-drift"})
"""The findings whose words come from code of plugins and hosts."""

_TEXTS = ("subject", "summary", "expected", "found", "where", "hint")

MOST_FINDINGS = 1000
_MOST_PLUGINS = 10_000
_MOST_SIGNERS = 64
_MOST_CHARACTERS = 1 << 20
"""How long all findings, and all reasons of plugins, may be together."""

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
        left = _MOST_CHARACTERS
        for plugin in self.plugins[:_MOST_PLUGINS]:
            reason = plugin.reason
            if reason is not None:
                reason = _fit(self.mask(reason, True), _LONGEST if left > 0 else _LONGEST_VERSION)
                left -= len(reason)
            yield {
                "id": _fit(plugin.id, _LONGEST_NAME),
                "status": plugin.status,
                "distribution": _fit(plugin.distribution, _LONGEST_NAME),
                "version": _fit(plugin.version, _LONGEST_VERSION),
                "reason": reason,
                "duration_us": min(max(plugin.duration_us, 0), _LARGEST),
            }

    def _findings(self) -> Iterator[Value]:
        left = _MOST_CHARACTERS
        for finding in sorted_findings(self.findings)[:MOST_FINDINGS]:
            fields = finding.to_dict()
            is_of_plugin = finding.code in _OF_PLUGINS
            for name in _TEXTS:
                value = fields[name]
                if value is not None:
                    fields[name] = _fit(self.mask(value, is_of_plugin))
                    left -= len(fields[name])
            if left < 0:
                return
            yield fields


def _fit(text: str, longest: int = _LONGEST) -> str:
    """Return a text that JSON of any reader can hold: half of a surrogate pair is no character."""
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


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


def one_line(document: Value) -> str:
    """Return the canonical JSON of a document without its line feeds, and one at the end."""
    lines = canonical_json.write(document).split("\n")
    return "".join(line.lstrip(" ") for line in lines) + "\n"


def aged(document: dict[str, Value], boot: str | None, now: float | None) -> dict[str, Value]:
    """Return a document with its age.

    Args:
        document: a report.
        boot: the id of the present boot.
        now: the seconds since it.
    """
    written, age = document["uptime_s"], None
    is_same_boot = boot is not None and document["boot"] == boot
    if is_same_boot and now is not None and isinstance(written, (int, float)):
        age = round(max(now - written, 0.0), 6)
    return {**document, "age_s": age}
