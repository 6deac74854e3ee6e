"""Does every entry point resolve? Proven from the files, without importing them."""

from __future__ import annotations

from coral_lock.author.check.definitions import ABSENT, PROVEN, is_standard_library
from coral_lock.finding import ERROR, WARNING, Finding, sorted_findings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from coral_lock.author.check.subject import LearntEntryPoint, Subject


def check_entry_points(subject: Subject, learnt: Iterable[LearntEntryPoint]) -> tuple[Finding, ...]:
    """Return a finding for each entry point that doesn't resolve, or can't be proven to."""
    findings = []
    for entry in learnt:
        resolution, value = entry.resolution, entry.declared.entry_point.value
        module = entry.declared.module
        if is_standard_library(module):
            findings.append(
                _unresolved(
                    entry,
                    f"`{module}` is a module of the standard library, which is imported instead "
                    "of the distribution's",
                    entry.declared.where,
                    "give the package another name",
                )
            )
        elif resolution.status == ABSENT:
            findings.append(
                _unresolved(
                    entry,
                    resolution.reason,
                    place(subject, entry),
                    resolution.hint or "correct the entry point, or the module that it names",
                )
            )
        elif resolution.status != PROVEN:
            findings.append(
                Finding(
                    code="entry-point-unproven",
                    severity=WARNING,
                    subject=entry.declared.id,
                    summary=f"nothing proves that `{value}` is there: {resolution.reason}",
                    where=place(subject, entry),
                    hint="define it in the module by its name, or try it with "
                    "`coral-runtime plugins check --run`",
                )
            )
    return sorted_findings(findings)


def _unresolved(entry: LearntEntryPoint, reason: str, where: str, hint: str) -> Finding:
    return Finding(
        code="entry-point-unresolved",
        severity=ERROR,
        subject=entry.declared.id,
        summary=f"the entry point `{entry.declared.entry_point.value}` doesn't resolve: {reason}",
        where=where,
        hint=hint,
    )


def place(subject: Subject, entry: LearntEntryPoint) -> str:
    """Return where the object of an entry point is defined, or else where it is declared."""
    resolution = entry.resolution
    if not resolution.line:
        return entry.declared.where
    return f"{subject.shown(resolution.path)}:{resolution.line}:{resolution.column}"
