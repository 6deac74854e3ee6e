"""`run`: a program under the lock, from its start to its exit code."""

from __future__ import annotations

from coral_lock.children.parent import Cover
from coral_lock.cli.start import conclude, prepare, report_file
from coral_lock.errors import HOLDS, CoralLockError, UsageError, exit_code_of_run
from coral_lock.messages import say
from coral_lock.start.process import StdoutGuard, leave_process
from coral_lock.start.program import prepare_program
from coral_lock.start.report import FAILED, STARTED, VERIFIED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from coral_lock.cli.grammar import Arguments
    from coral_lock.finding import Finding
    from coral_lock.start.program import Program
    from coral_lock.start.report import ActivationReport, ReportFile


def run(arguments: Arguments) -> int | Program:
    """Run `coral-runtime run`: start, and return the program, ready to run in this process.

    If the start doesn't succeed, the exit code is returned instead.
    """
    file = report_file(arguments)
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
        self._findings = tuple(findings)
        start = prepare(self._arguments, self._file)
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
