"""The outcome of the checks as lines for people, and as annotations for GitHub."""

from __future__ import annotations

from coral_lock.finding import ERROR, WARNING
from coral_lock.wording import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from coral_lock.author.check.measurement import Activated, Imported, Measurements
    from coral_lock.author.check.report import CheckReport
    from coral_lock.finding import Finding

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


def annotation_lines(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield the findings as workflow commands, which GitHub shows beside the code.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
    """
    for finding in findings:
        position = _position(finding.where)
        properties = {**position, "title": finding.code}
        listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
        lines = [finding.summary]
        for name in _DETAILS:
            value = getattr(finding, name)
            if value and not (name == "where" and position):
                lines.append(f"{name}: {value}")
        yield f"::{finding.severity} {listed}::{_data(chr(10).join(lines))}"


def _position(where: str | None) -> dict[str, str]:
    """Return file, line and column of a place; what is no place in a file has none of them."""
    file, line, column = ("", "", "") if where is None else _split(where)
    if not file:
        return {}
    position = {"file": file, "line": line, "col": column}
    return {key: value for key, value in position.items() if value}


def _split(where: str) -> tuple[str, str, str]:
    file, _, last = where.rpartition(":")
    if not last.isdigit():
        is_file = "/" in where or where.endswith((".toml", ".yaml", ".yml", ".json", ".whl"))
        is_file = is_file and ":" not in where
        return (where, "", "") if is_file else ("", "", "")
    before, _, line = file.rpartition(":")
    return (before, line, last) if before and line.isdigit() else (file, last, "")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
