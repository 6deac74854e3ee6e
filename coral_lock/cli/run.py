"""`run`: a program under the lock, from its start to the last word on its exit code."""

from __future__ import annotations

from coral_lock.children.parent import Cover
from coral_lock.cli.start import conclude, prepare, report_refusal_of
from coral_lock.errors import HOLDS, CoralLockError, UsageError, exit_code_of_run
from coral_lock.messages import say
from coral_lock.start.gate import Gate
from coral_lock.start.program import prepare_program
from coral_lock.start.report import FAILED, STARTED, VERIFIED
from coral_lock.start.stdout_guard import StdoutGuard, leave_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from coral_lock.cli.grammar import Arguments
    from coral_lock.finding import Finding
    from coral_lock.start.program import Program
    from coral_lock.start.report import ActivationReport


def run(arguments: Arguments) -> int | Program:
    """Run `coral-runtime run`: start, and return the program, ready to run in this process.

    The exit code is returned instead where the start didn't succeed. An error that ends it
    before there is a report stands in a report of its own, for whoever asked for one.
    """
    try:
        return _run(arguments)
    except CoralLockError as error:
        report_refusal_of(arguments, error)
        raise


def _run(arguments: Arguments) -> int | Program:
    if not arguments.flag("locked"):
        raise UsageError(
            "`run` starts from a lock only", hint="write `coral-runtime run --locked -- PROGRAM`"
        )
    running = _Running(arguments)
    program = prepare_program(arguments.program, running.exit_code_after)
    guard = StdoutGuard()
    try:
        report = running.start(program.findings)
    finally:
        guard.release()
    if report.outcome not in (STARTED, VERIFIED):
        return report.exit_code
    return program


class _Running:
    """A program under a lock, from its start to the last word on its exit code.

    Args:
        arguments: the command line.
    """

    def __init__(self, arguments: Arguments) -> None:
        self._arguments = arguments
        self._findings: tuple[Finding, ...] = ()
        self._cover: Cover | None = None
        self._report: ActivationReport | None = None

    def start(self, findings: Sequence[Finding]) -> ActivationReport:
        """Verify the machine, and bring the runtime up as far as it is before the program.

        Args:
            findings: what is known already, for the report.
        """
        self._findings = tuple(findings)
        is_eager = self._arguments.flag("eager")
        prepared = prepare(self._arguments)
        if prepared.refusal is not None:
            return self._conclude(prepared.refusal)
        cover = self._cover = Cover(
            prepared,
            self._host_has_started,
            self._file_refused,
            is_strict=self._arguments.flag("strict-children"),
        )
        prepared.lock_imports(cover.refuse_file)
        cover.install()
        gate = Gate(
            prepared.starting,
            done=(lambda report: None) if is_eager else cover.host_has_started,
            about_to_start=cover.about_to_start_host,
        )
        report = self._conclude(gate.open(is_eager))
        cover.begin()
        return report

    def exit_code_after(self, program_exit: int) -> int | None:
        """Return the code to end with in place of the program's, None to leave it."""
        code = self._settle()
        if not code:
            return None
        say(
            f"the program ended with {program_exit}, and not all that it started was under the lock"
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
            self._report = conclude(self._arguments, report, self._findings, is_told=True)
        return code

    def _file_refused(self) -> None:
        """End a program that has just begun and imports what isn't what was locked."""
        leave_process(exit_code_of_run(self._settle()))

    def _conclude(self, report: ActivationReport) -> ActivationReport:
        self._report = conclude(self._arguments, report, self._findings, earlier=self._report)
        return self._report

    def _host_has_started(self, report: ActivationReport) -> None:
        """End the program if the host isn't what the lock says, whatever the program catches."""
        if self._conclude(report).outcome != STARTED:
            leave_process(exit_code_of_run(report.exit_code))
