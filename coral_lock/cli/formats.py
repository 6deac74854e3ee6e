"""How commands print what they found: one registry of formats, shared by all of them.

A command makes an `Outcome` and prints it with `emit`. A new format is a function and a line in
`FORMATS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import click

from coral_lock.canonical_json import Value, write
from coral_lock.difference.model import Change
from coral_lock.difference.text import one_line
from coral_lock.errors import printable
from coral_lock.finding import Finding
from coral_lock.messages import say_findings

TEXT = "text"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a command found.

    Attributes:
        document: all of it but the findings and the changes, as a JSON object.
        text: what people read on standard output.
        findings: the findings, None for a command that has none; people read them on standard
            error, unless `text` has them.
        changes: what changed between two locks, None for a command that compares none.
        has_findings_in_text: whether `text` has the findings.
    """

    document: Mapping[str, Value]
    text: str = ""
    findings: tuple[Finding, ...] | None = None
    changes: tuple[Change, ...] | None = None
    has_findings_in_text: bool = False


def emit(outcome: Outcome, output_format: str) -> None:
    """Print an outcome to standard output, and as text its findings to standard error."""
    text = FORMATS[output_format](outcome)
    click.echo(text.encode("utf-8", "backslashreplace"), nl=False)
    if output_format == TEXT and not outcome.has_findings_in_text:
        say_findings(outcome.findings or ())


def as_lines(lines: Iterable[str]) -> str:
    """Return the text of lines, each printable on one line."""
    return "".join(f"{printable(line)}\n" for line in lines)


def _render_json(outcome: Outcome) -> str:
    """Return the document, with the findings and the changes at its end."""
    document = dict(outcome.document)
    for key, values in (("findings", outcome.findings), ("changes", outcome.changes)):
        if values is not None:
            document[key] = [each.to_dict() for each in values]
    return write(document)


def _render_github(outcome: Outcome) -> str:
    """Return findings and changes as workflow commands, which GitHub shows beside the code.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
    """
    changes = _change_annotations(outcome.changes or ())
    return as_lines((*finding_annotations(outcome.findings or ()), *changes))


def finding_annotations(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield the workflow command for each finding."""
    for finding in findings:
        position = _position(finding.where)
        lines = [finding.summary]
        for name in ("expected", "found", "where", "hint"):
            value = getattr(finding, name)
            if value and not (name == "where" and position):
                lines.append(f"{name}: {value}")
        yield _annotation(finding.severity, lines, **position, title=finding.code)


def _change_annotations(changes: Iterable[Change]) -> Iterator[str]:
    for change in changes:
        lines = [change.summary]
        for name, value in (("before", change.before), ("after", change.after)):
            if value is not None:
                lines.append(f"{name}: {one_line(value)}")
        lines += [f"risk: {risk.sentence} ({risk.code})" for risk in change.risks]
        severity = _SEVERITIES.get(change.level or "", "notice")
        yield _annotation(severity, lines, title=change.code)


_SEVERITIES = {"high": "error", "medium": "warning"}


def _annotation(severity: str, lines: Iterable[str], **properties: str) -> str:
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{severity} {listed}::{_data(chr(10).join(lines))}"


def _position(where: str | None) -> dict[str, str]:
    """Return file, line and column of a place; a place that isn't in a file has none of them."""
    where = where or ""
    placed = re.fullmatch(r"(?P<file>.+?):(?P<line>\d+)(?::(?P<col>\d+))?", where)
    if placed:
        return {key: value for key, value in placed.groupdict().items() if value}
    is_file = re.fullmatch(r"[^:]*(/[^:]*|\.(toml|ya?ml|json|whl))", where)
    return {"file": where} if is_file else {}


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


FORMATS: Mapping[str, Callable[[Outcome], str]] = {
    TEXT: lambda outcome: outcome.text,
    "json": _render_json,
    "github": _render_github,
}

output_format_option = click.option(
    "--output-format",
    type=click.Choice(tuple(FORMATS)),
    default=TEXT,
    show_default=True,
    help="The output format.",
)
