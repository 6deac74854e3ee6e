"""All checks of one subject, and their outcome as a document and as text."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from coral_lock.author.check.distribution import check_wheel
from coral_lock.author.check.manifest import check_manifests, check_samples, read_manifests
from coral_lock.author.check.run import (
    TIME_LIMIT,
    Activated,
    Imported,
    Measurements,
    check_run,
    measure,
    with_live_facts,
)
from coral_lock.author.check.specs import check_specs, learn
from coral_lock.author.check.subject import Subject
from coral_lock.canonical_json import Value
from coral_lock.errors import DOES_NOT_HOLD, HOLDS
from coral_lock.finding import ERROR, WARNING, Finding, has_errors, sorted_findings
from coral_lock.inventory import Reporter
from coral_lock.messages import counted


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckReport:
    """The outcome of checking a subject; `measurements` is None where nothing was run."""

    subject: Subject
    plugins: tuple[str, ...]
    findings: tuple[Finding, ...]
    measurements: Measurements | None = None

    @property
    def exit_code(self) -> int:
        """1 if there is an error, else 0; no lock is there that bytes could differ from."""
        return DOES_NOT_HOLD if has_errors(self.findings) else HOLDS

    def to_dict(self) -> dict[str, Value]:
        """Return the JSON document of the report."""
        return {
            "target": self.subject.target,
            "kind": self.subject.kind,
            "distribution": self.subject.name,
            "version": self.subject.version,
            "holds": self.exit_code == HOLDS,
            "plugins": list(self.plugins),
            "findings": [finding.to_dict() for finding in self.findings],
            "measurements": _measurements_document(self.measurements),
        }


def check_subject(
    subject: Subject,
    *,
    run: bool = False,
    time_limit: float = TIME_LIMIT,
    reporter: Reporter | None = None,
) -> CheckReport:
    """Return the outcome of every check.

    Args:
        subject: what is checked.
        run: whether the plugins are also run, in fresh interpreters.
        time_limit: the seconds that each of those may take.
        reporter: is informed of each of those.
    """
    learnt = learn(subject)
    manifests = read_manifests(subject)
    declared = {plugin.id: plugin for plugin in manifests.plugins()}
    measurements: Measurements | None = None
    findings: list[Finding] = [*check_wheel(subject)]
    if run:
        terms = {identifier: plugin.terms for identifier, plugin in declared.items()}
        measurements = measure(
            subject, _search_path(subject), terms, time_limit=time_limit, reporter=reporter
        )
        findings += check_run(learnt, measurements)
        learnt = with_live_facts(learnt, measurements)
    covered = [entry.id for entry in subject.entry_points if manifests.of_entry_point(entry)]
    own = {entry.id_of(facts) for entry in learnt for facts in entry.facts} | declared.keys()
    findings += check_specs(subject, learnt, covered)
    findings += check_manifests(subject, learnt, manifests)
    # The plugins of an entry point whose specs are unknown are represented by its own id.
    unknown = (entry.declared.id for entry in learnt if not entry.facts)
    plugins = own.union(unknown)
    findings += check_samples(subject, plugins)
    return CheckReport(
        subject=subject,
        plugins=tuple(sorted(plugins)),
        findings=sorted_findings(dict.fromkeys(findings)),
        measurements=measurements,
    )


def _search_path(subject: Subject) -> tuple[str, ...]:
    """Return the `sys.path` with which the plugins of a subject are run."""
    here = (os.path.abspath(entry) for entry in sys.path if entry)
    return tuple(dict.fromkeys((*subject.import_path, *here)))


def _measurements_document(measurements: Measurements | None) -> Value:
    if measurements is None:
        return None
    return {
        "configuration": measurements.configuration,
        "imports": [_import_document(imported) for imported in measurements.imports],
        "activations": [_activation_document(item) for item in measurements.activations],
    }


def _import_document(imported: Imported) -> dict[str, Value]:
    entry_point = imported.declared.entry_point
    return {
        "entry_point": {
            "group": entry_point.group,
            "name": entry_point.name,
            "value": entry_point.value,
        },
        "error": imported.error,
        "import_ms": imported.import_ms,
        "peak_memory_kib": imported.peak_memory_kib,
        "import_memory_kib": imported.import_memory_kib,
        "output": imported.output,
        "changes": list(imported.changes),
    }


def _activation_document(activated: Activated) -> dict[str, Value]:
    fields = ("plugin", "platform", "supported", "result", "reason", "duration_ms")
    return {field: getattr(activated, field) for field in fields}


_DETAILS = ("expected", "found", "where", "hint")


def text_lines(report: CheckReport) -> Iterator[str]:
    """Yield the findings with their details, then what was measured."""
    for finding in report.findings:
        yield f"{finding.severity}[{finding.code}]: {finding.summary}"
        for name in _DETAILS:
            value = getattr(finding, name)
            if value:
                yield f"  {name}: {value}"
    if report.measurements is not None:
        yield from _measurement_lines(report.measurements)


def _measurement_lines(measurements: Measurements) -> Iterator[str]:
    yield f"measured with {measurements.configuration}:"
    for imported in measurements.imports:
        yield f"  import {imported.declared.entry_point.value}  {_import_text(imported)}"
    for activated in measurements.activations:
        yield f"  activate {activated.plugin} on {activated.platform}  " + _activation_text(
            activated
        )


def _import_text(imported: Imported) -> str:
    if imported.import_ms is None:
        return "failed"
    text = f"{imported.import_ms:.1f} ms"
    if imported.import_memory_kib is not None and imported.peak_memory_kib is not None:
        text += (
            f", {imported.import_memory_kib / 1024:.1f} MiB added, "
            f"{imported.peak_memory_kib / 1024:.1f} MiB at the most"
        )
    return text


def _activation_text(activated: Activated) -> str:
    if activated.duration_ms is None:
        return activated.result
    return f"{activated.result}, {activated.duration_ms:.1f} ms"


def summary_line(report: CheckReport) -> str:
    """Return the outcome in one line: `my-package 1.0.0 (project): 1 plugin, no findings`."""
    subject = report.subject
    title = " ".join(filter(None, (subject.name, subject.version)))
    counts = [
        counted(number, word)
        for word in (ERROR, WARNING)
        if (number := sum(finding.severity == word for finding in report.findings))
    ]
    return f"{title} ({subject.kind}): {counted(len(report.plugins), 'plugin')}, " + (
        ", ".join(counts) or "no findings"
    )
