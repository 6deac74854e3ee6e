"""`init` and `run`: a path that imports little."""

from __future__ import annotations

import os
import sys

from coral_lock import canonical_json
from coral_lock.cli.grammar import descriptor_path, trust_directory
from coral_lock.errors import HOLDS, CoralLockError, InputError, UsageError, exit_code_of_run
from coral_lock.finding import sorted_findings
from coral_lock.messages import counted, say, say_findings, say_warning
from coral_lock.safe_files import open_descriptor
from coral_lock.start.gate import Gate
from coral_lock.start.locked import prepare_locked
from coral_lock.start.process import StdoutGuard, leave_process
from coral_lock.start.report import ACTIVATED, FAILED, REFUSED, STARTED, VERIFIED, ReportFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from coral_lock.children.parent import Cover
    from coral_lock.cli.grammar import Arguments
    from coral_lock.descriptor.model import Descriptor
    from coral_lock.finding import Finding
    from coral_lock.start.locked import LockedStart
    from coral_lock.start.program import Program
    from coral_lock.start.report import ActivationReport


def init(arguments: Arguments) -> int:
    """Run `coral-runtime init`: one JSON document on standard output; return the exit code."""
    file = _report_file(arguments)
    guard = StdoutGuard()
    try:
        report = conclude(file, _start(arguments, file))
    except CoralLockError as error:
        file.refuse(error)
        raise
    guard.write_document(canonical_json.write(report.to_dict()))
    return report.exit_code


def _start(arguments: Arguments, file: ReportFile) -> ActivationReport:
    if sys.stdout is None and arguments.last("report") is None:
        raise InputError(
            "standard output is closed, so the report would be lost",
            hint="write it to a file with `--report FILE`, or redirect standard output",
        )
    if arguments.flag("locked"):
        start = _prepare(arguments, file)
        if start.refusal is not None:
            return start.refusal
        start.lock_imports(lambda finding: None)
        return Gate(start.plan).open(is_eager=True)
    for key in ("lock", "integrity", "state-dir", "closed", "accepted", "trust-dir"):
        if arguments.flag(key):
            raise UsageError(
                f"`--{key}` needs `--locked`: without it, no lock is read",
                hint="write `coral-runtime init --locked`",
            )
    from coral_lock.start.live import start_live

    file.begin()
    return start_live(_descriptor(arguments))


def run(arguments: Arguments) -> int | Program:
    """Run `coral-runtime run`: start, and return the program, ready to run in this process.

    If the start doesn't succeed, the exit code is returned instead.
    """
    from coral_lock.start.program import prepare_program

    file = _report_file(arguments)
    try:
        if not arguments.flag("locked"):
            raise UsageError(
                "`run` always starts from a lock",
                hint="write `coral-runtime run --locked -- PROGRAM`",
            )
        running = _Running(arguments, file)
        program = prepare_program(arguments.program, running.exit_code_after)
        guard = StdoutGuard()
        try:
            report = running.start(program.findings)
        finally:
            guard.release()
    except CoralLockError as error:
        file.refuse(error)
        raise
    return program if report.outcome in (STARTED, VERIFIED) else report.exit_code


class _Running:
    """A program under a lock, from its start to its exit code.

    Args:
        arguments: the command line.
        file: the file of the report.
    """

    def __init__(self, arguments: Arguments, file: ReportFile) -> None:
        self._arguments = arguments
        self._file = file
        self._findings: tuple[Finding, ...] = ()
        self._cover: Cover | None = None
        self._report: ActivationReport | None = None

    def start(self, findings: Sequence[Finding]) -> ActivationReport:
        """Verify the machine, and start the runtime as far as that comes before the program.

        Args:
            findings: what is known already, for the report.
        """
        from coral_lock.children.parent import Cover

        self._findings = tuple(findings)
        start = _prepare(self._arguments, self._file)
        if start.refusal is not None:
            return self._conclude(start.refusal)
        self._cover = Cover(
            start,
            self._host_has_started,
            self._end_program,
            is_strict=self._arguments.flag("strict-children"),
        )
        return self._conclude(self._cover.open(self._arguments.flag("eager")))

    def exit_code_after(self, program_exit: int) -> int | None:
        """Return the code to end with in place of the program's, None to keep it."""
        code = self._settle()
        if not code:
            return None
        say(
            f"the program ended with {program_exit}, but not all that it started was under the lock"
        )
        return exit_code_of_run(code)

    def _settle(self) -> int:
        """Add what was found since the start to the report; return the exit code for it."""
        if self._cover is None or self._report is None:
            return HOLDS
        code, findings = self._cover.outcome()
        if findings:
            self._findings = (*self._findings, *findings)
            report = self._report.replace(outcome=FAILED) if code else self._report
            self._report = conclude(self._file, report, self._findings, is_silent=True)
        return code

    def _end_program(self) -> None:
        """End a program that has just begun and imports a file that differs from the lock."""
        leave_process(exit_code_of_run(self._settle()))

    def _conclude(self, report: ActivationReport) -> ActivationReport:
        shown = self._report.findings if self._report else ()
        self._report = conclude(self._file, report, self._findings, shown=shown)
        return self._report

    def _host_has_started(self, report: ActivationReport) -> None:
        """End the program if the host differs from the lock, whatever the program catches."""
        if self._conclude(report).outcome != STARTED:
            leave_process(exit_code_of_run(report.exit_code))


def _report_file(arguments: Arguments) -> ReportFile:
    """Return the file of the report that the command line names.

    Raises:
        UsageError: it names standard output, or standard error.
    """
    path = arguments.last("report")
    if path == "-" or (path and open_descriptor(path) in (1, 2)):
        raise UsageError(
            f"`--report` needs a file, not {'standard output' if path == '-' else f'`{path}`'}",
            hint="name a file; `init` prints the report to standard output anyway",
        )
    return ReportFile(path)


def _prepare(arguments: Arguments, file: ReportFile) -> LockedStart:
    """Begin the report, and verify the machine as the command line says."""
    trusted = trust_directory(arguments.flag("accepted"), arguments.last("trust-dir"))
    file.begin()
    return prepare_locked(
        str(arguments.last("lock")),
        descriptor=_descriptor(arguments),
        integrity=str(arguments.last("integrity")),
        state_directory=arguments.last("state-dir"),
        closed=arguments.flag("closed"),
        accepted_only=arguments.flag("accepted"),
        trust_directory=trusted,
    )


def conclude(
    file: ReportFile,
    report: ActivationReport,
    findings: Sequence[Finding] = (),
    *,
    shown: Sequence[Finding] = (),
    is_silent: bool = False,
) -> ActivationReport:
    """Write a report with further findings to its file, show it, and return it.

    Args:
        file: the file of the report.
        report: the report.
        findings: what the report doesn't have yet.
        shown: the findings that the user has seen.
        is_silent: whether nothing is shown.
    """
    report = report.replace(findings=sorted_findings(dict.fromkeys((*report.findings, *findings))))
    file.write(report)
    if not is_silent:
        _show(report, shown)
    return report


def _descriptor(arguments: Arguments) -> Descriptor | None:
    """Return what the command line and the environment request; None if that is nothing."""
    is_read = not arguments.flag("no-env") and any(name.startswith("CORAL_") for name in os.environ)
    path = descriptor_path(arguments.last("config"), arguments.flag("no-config"))
    settings = arguments.all("set")
    core, inference = arguments.last("core-version"), arguments.last("inference-version")
    if not (path or settings or is_read or core or inference):
        return None
    from coral_lock.descriptor.load import load_descriptor

    descriptor = load_descriptor(
        path,
        settings=settings,
        environment=os.environ if is_read else None,
        core_version=core,
        inference_version=inference,
    )
    for warning in descriptor.warnings:
        say_warning(warning)
    return descriptor


def _show(report: ActivationReport, shown: Sequence[Finding]) -> None:
    say_findings(finding for finding in report.findings if finding not in shown)
    if report.outcome == REFUSED:
        reason = "this machine doesn't match the lock" if report.locked else "see the errors above"
        say(f"start refused: {reason}; no plugin was run")
        return
    count = counted(len(report.plugins), "plugin")
    if report.outcome == VERIFIED:
        say(
            f"verified on {report.state.platform}: {count}, to be activated at the first import of "
            "`coral_inference`"
        )
        return
    active = sum(outcome.status == ACTIVATED for outcome in report.plugins)
    verb = "started" if report.outcome == STARTED else "start failed"
    say(f"{verb} on {report.state.platform}: {active} of {count} active")
    for outcome in report.plugins:
        if outcome.status != ACTIVATED:
            say(f"  {outcome.id} isn't active: {outcome.reason or 'nothing activated it'}")
