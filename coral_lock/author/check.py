"""All checks of one subject, and their outcome as a document and as text."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from coral_lock.author.manifest_check import (
    check_manifests,
    check_samples,
    plugins_of,
    read_manifests,
)
from coral_lock.author.run import Measurements, check_run, measure, with_live_facts
from coral_lock.author.specs import check_specs, learn
from coral_lock.author.subject import INSTALLED, Subject
from coral_lock.canonical_json import Value
from coral_lock.errors import DOES_NOT_HOLD, HOLDS, abridged
from coral_lock.finding import (
    Finding,
    finding_of_error,
    has_errors,
    sorted_findings,
)
from coral_lock.inventory import Reporter
from coral_lock.messages import counted, counted_findings
from coral_lock.reserved import Placed, is_startup_file, owner_of, reserved_findings

_MODULE_SUFFIXES = (".py", ".pyi", ".so", ".pyd")
_LIBRARIES = (".libs", ".dylibs")
"""Where tools that repair wheels put the libraries of a package."""

_SHARED_NAMES = frozenset(
    {"build", "conftest", "dist", "doc", "docs", "example", "examples", "script", "scripts"}
    | {"setup", "src", "test", "testing", "tests", "tools"}
)
"""Names that many distributions use by mistake."""

_MAX_NAMED = 5


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
        """Return the JSON document of the report, without the findings."""
        return {
            "target": self.subject.target,
            "kind": self.subject.kind,
            "distribution": self.subject.name,
            "version": self.subject.version,
            "holds": self.exit_code == HOLDS,
            "plugins": list(self.plugins),
            "measurements": self.measurements.to_dict() if self.measurements else None,
        }


def check_subject(
    subject: Subject,
    *,
    run: bool = False,
    reporter: Reporter | None = None,
) -> CheckReport:
    """Return the outcome of every check.

    Args:
        subject: what is checked.
        run: whether the plugins are also run, in fresh interpreters.
        reporter: is informed of each of those.
    """
    learnt = learn(subject)
    manifests = read_manifests(subject)
    declared = {plugin.id: plugin for plugin in plugins_of(manifests)}
    measurements: Measurements | None = None
    findings = [*check_files(subject)]
    if run:
        terms = {identifier: plugin.terms for identifier, plugin in declared.items()}
        here = (os.path.abspath(entry) for entry in sys.path if entry)
        path = tuple(dict.fromkeys((*subject.import_path, *here)))
        measurements = measure(subject, path, terms, reporter)
        findings += check_run(learnt, measurements, terms)
        learnt = with_live_facts(learnt, measurements)
    own = {plugin.id for entry in learnt for plugin in entry.plugins} | declared.keys()
    findings += check_specs(subject, learnt)
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


def check_files(subject: Subject) -> Iterator[Finding]:
    """Yield what keeps a lock from pinning a wheel or an installed distribution."""
    for error in subject.problems:
        # What is installed may differ from a sound wheel in nothing but its RECORD.
        code = "false-record" if subject.kind == INSTALLED else error.code
        yield finding_of_error(error, code, subject.name)
    files = Placed(subject.files, subject.outside)
    yield from reserved_findings(subject.name, files, provides_plugins=True)
    foreign: dict[str, list[str]] = {}
    for path in subject.files:
        top = path.partition("/")[0]
        is_reserved = is_startup_file(top) or owner_of(top, subject.name) is not None
        if not is_reserved and not _is_own(path):
            foreign.setdefault(top, []).append(path)
    for paths in foreign.values():
        named = abridged([f"`{path}`" for path in paths], _MAX_NAMED)
        yield Finding(
            code="foreign-file",
            subject=subject.name,
            summary=f"the distribution installs files outside its own packages: {named}",
            where=paths[0],
            hint="move them into the distribution's own package, or exclude them from the wheel",
        )


def _is_own(path: str) -> bool:
    """Whether a path is in a package of the distribution, or is a module of it."""
    top, separator, _ = path.partition("/")
    if separator and top.endswith((".dist-info", *_LIBRARIES)):
        return True
    if not separator and not top.endswith(_MODULE_SUFFIXES):
        return False
    name = top if separator else top.partition(".")[0]
    return name.isidentifier() and name not in _SHARED_NAMES


def text_lines(report: CheckReport) -> Iterator[str]:
    """Yield the findings with their details, then what was measured."""
    for each in report.findings:
        yield f"{each.severity}[{each.code}]: {each.summary}"
        for name, value in each.details().items():
            yield f"  {name}: {value}"
    if report.measurements is not None:
        yield f"measured with {report.measurements.configuration}:"
        for measured in (*report.measurements.imports, *report.measurements.activations):
            yield f"  {measured}"


def summary_line(report: CheckReport) -> str:
    """Return the outcome in one line: `my-package 1.0.0 (project): 1 plugin, no findings`."""
    subject = report.subject
    title = " ".join(filter(None, (subject.name, subject.version)))
    plugins, counts = counted(len(report.plugins), "plugin"), counted_findings(report.findings)
    return f"{title} ({subject.kind}): {plugins}, {counts or 'no findings'}"
