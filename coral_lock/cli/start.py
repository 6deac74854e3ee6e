"""`init` and `run`: a path that imports little."""

from __future__ import annotations

import os
import sys

from coral_lock import canonical_json
from coral_lock.cli.grammar import descriptor_path, trust_directory
from coral_lock.errors import HOLDS, CoralLockError, InputError, UsageError, exit_code_of_run
from coral_lock.finding import sorted_findings
from coral_lock.import_guard import import_startup_modules
from coral_lock.messages import counted, say, say_findings, say_warning
from coral_lock.reporting import ReportWriter
from coral_lock.safe_files import open_descriptor
from coral_lock.start.gate import Gate
from coral_lock.start.locked import prepare_locked
from coral_lock.start.process import StdoutGuard, leave_process
from coral_lock.start.report import (
    ACTIVATED,
    FAILED,
    REFUSED,
    STARTED,
    VERIFIED,
    ReportFile,
    refusal_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from coral_lock.children.parent import Cover
    from coral_lock.cli.grammar import Arguments
    from coral_lock.descriptor.model import Descriptor
    from coral_lock.finding import Finding
    from coral_lock.start.locked import LockedStart
    from coral_lock.start.program import Program
    from coral_lock.start.report import ActivationReport

_SIGNALLED = 128
"""What a shell adds to the number of the signal that ended a program."""


def init(arguments: Arguments) -> int:
    """Run `coral-runtime init`: one JSON document on standard output; return the exit code."""
    reports = _Reports(arguments, "init")
    guard = StdoutGuard()
    try:
        report = _start(arguments, reports)
        report = reports.conclude(report, ended_with=report.exit_code)
    except CoralLockError as error:
        reports.refuse(error, error.exit_code)
        raise
    guard.write_document(canonical_json.write(report.to_dict()))
    return report.exit_code


def _start(arguments: Arguments, reports: _Reports) -> ActivationReport:
    if sys.stdout is None and arguments.last("report") is None:
        raise InputError(
            "standard output is closed, so the report would be lost",
            hint="write it to a file with `--report FILE`, or redirect standard output",
        )
    if arguments.flag("locked"):
        start = _prepare(arguments, reports)
        if start.refusal is not None:
            return start.refusal
        start.lock_imports(lambda finding: None)
        import_startup_modules()
        return Gate(start.plan).open(is_eager=True)
    needing = ("lock", "integrity", "state-dir", "device-id", "textfile", "closed", "accepted")
    for key in (*needing, "trust-dir"):
        if arguments.flag(key):
            raise UsageError(
                f"`--{key}` needs `--locked`: without it, no lock is read",
                hint="write `coral-runtime init --locked`",
            )
    from coral_lock.start.live import start_live

    reports.file.begin()
    request = _request(arguments)
    return start_live(request() if request else None)


def run(arguments: Arguments) -> int | Program:
    """Run `coral-runtime run`: start, and return the program, ready to run in this process.

    If the start doesn't succeed, the exit code is returned instead.
    """
    from coral_lock.start.program import prepare_program

    reports = _Reports(arguments, "run")
    try:
        if not arguments.flag("locked"):
            raise UsageError(
                "`run` always starts from a lock",
                hint="write `coral-runtime run --locked -- PROGRAM`",
            )
        running = _Running(arguments, reports)
        program = prepare_program(arguments.program, running.exit_code_after)
        guard = StdoutGuard()
        try:
            report = running.start(program)
        finally:
            guard.release()
    except CoralLockError as error:
        reports.refuse(error, exit_code_of_run(error.exit_code, error))
        raise
    return program if report.outcome in (STARTED, VERIFIED) else report.exit_code


class _Running:
    """A program under a lock, from its start to its exit code.

    Args:
        arguments: the command line.
        reports: the reports of the start.
    """

    def __init__(self, arguments: Arguments, reports: _Reports) -> None:
        self._arguments = arguments
        self._reports = reports
        self._findings: tuple[Finding, ...] = ()
        self._cover: Cover | None = None
        self._report: ActivationReport | None = None

    def start(self, program: Program) -> ActivationReport:
        """Verify the machine, and start the runtime as far as that comes before the program."""
        from coral_lock.children.parent import Cover

        self._findings = program.findings
        start = _prepare(self._arguments, self._reports, program.file)
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
        code = self._settle(program_exit)
        if not code:
            return None
        say(
            f"the program ended with {program_exit}, but a process that it started was refused or "
            "ran without the lock: see above"
        )
        return exit_code_of_run(code)

    def _settle(self, program_exit: int) -> int:
        """Add what was found since the start to the reports; return the exit code for it.

        Args:
            program_exit: the exit code of the program, negative for a signal.
        """
        if self._cover is None or self._report is None:
            return HOLDS
        code, findings = self._cover.outcome()
        slow = self._cover.slow_files()
        if slow:
            log_messages = (*self._report.log_messages, *slow)
            self._report = self._report.replace(log_messages=log_messages)
        shells_code = program_exit if program_exit >= 0 else _SIGNALLED - program_exit
        ended_with = exit_code_of_run(code) if code else shells_code
        if findings or slow:
            self._findings = (*self._findings, *findings)
            report = self._report.replace(outcome=FAILED) if code else self._report
            self._report = self._reports.conclude(
                report, self._findings, is_silent=True, ended_with=ended_with
            )
        else:
            self._reports.end(self._report, ended_with)
        return code

    def _end_program(self) -> None:
        """End a program that has just begun and imports a file that differs from the lock."""
        leave_process(exit_code_of_run(self._settle(HOLDS)))

    def _conclude(self, report: ActivationReport) -> ActivationReport:
        shown = self._report.findings if self._report else ()
        is_running = report.outcome in (STARTED, VERIFIED)
        self._report = self._reports.conclude(
            report,
            self._findings,
            shown=shown,
            ended_with=None if is_running else exit_code_of_run(report.exit_code),
        )
        return self._report

    def _host_has_started(self, report: ActivationReport) -> None:
        """End the program if the host differs from the lock, whatever the program catches."""
        if self._conclude(report).outcome != STARTED:
            leave_process(exit_code_of_run(report.exit_code))


class _Reports:
    """What a start leaves behind: the activation report, and where it is locked the device's.

    Args:
        arguments: the command line.
        command: `init` or `run`.

    Attributes:
        file: the activation report.
        device: the device's report, None where the start isn't locked.

    Raises:
        UsageError: the report's file isn't one, or an id can't name a device.
    """

    def __init__(self, arguments: Arguments, command: str) -> None:
        self.file = _report_file(arguments)
        self.device: ReportWriter | None = None
        if arguments.flag("locked"):
            try:
                self.device = ReportWriter(
                    command,
                    str(arguments.last("lock")),
                    str(arguments.last("integrity")),
                    state_directory=arguments.last("state-dir"),
                    device_id=arguments.last("device-id"),
                    textfile=arguments.last("textfile"),
                )
            except UsageError as error:
                self.file.refuse(error, refusal_of(error))
                raise

    def conclude(
        self,
        report: ActivationReport,
        findings: Sequence[Finding] = (),
        *,
        shown: Sequence[Finding] = (),
        is_silent: bool = False,
        ended_with: int | None = None,
    ) -> ActivationReport:
        """Write a report with further findings, show it, and return it.

        Args:
            report: the report.
            findings: what the report doesn't have yet.
            shown: the findings that the user has seen.
            is_silent: whether nothing is shown.
            ended_with: the exit code, None for that of a program that goes on.
        """
        findings = sorted_findings(dict.fromkeys((*report.findings, *findings)))
        report = report.replace(findings=findings)
        if self.device is not None:
            self.device.tell(report, ended_with is not None, ended_with)
            problems = [each for each in self.device.problems if each not in report.log_messages]
            report = report.replace(log_messages=(*report.log_messages, *problems))
        self.file.write(report)
        if not is_silent:
            _show(report, shown)
        return report

    def end(self, report: ActivationReport, ended_with: int) -> None:
        """Say how a program has ended whose start was reported."""
        if self.device is not None:
            self.device.tell(report, True, ended_with)

    def refuse(self, error: CoralLockError, exit_code: int) -> None:
        """Write the reports of a start that an error ended."""
        report = refusal_of(error)
        self.file.refuse(error, report)
        self.end(report, exit_code)


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


def _prepare(arguments: Arguments, reports: _Reports, program: str | None = None) -> LockedStart:
    """Begin the report, and verify the machine as the command line says."""
    trusted = trust_directory(arguments.flag("accepted"), arguments.last("trust-dir"))
    device = reports.device
    assert device is not None
    reports.file.begin()
    start = prepare_locked(
        str(arguments.last("lock")),
        request=_request(arguments),
        integrity=str(arguments.last("integrity")),
        state_directory=arguments.last("state-dir"),
        closed=arguments.flag("closed"),
        accepted_only=arguments.flag("accepted"),
        trust_directory=trusted,
        program=program,
        about_to_hash=device.begin,
    )
    device.keep_secret(start.plan.config.services)
    return start


def _request(arguments: Arguments) -> Callable[[], Descriptor] | None:
    """Return what reads what the command line and the environment request; None for nothing."""
    is_read = not arguments.flag("no-env") and any(
        name.startswith("CORAL_") and not name.startswith("CORAL_LOCK_") for name in os.environ
    )
    path = descriptor_path(arguments.last("config"), arguments.flag("no-config"))
    settings = arguments.all("set")
    core, inference = arguments.last("core-version"), arguments.last("inference-version")
    if not (path or settings or is_read or core or inference):
        return None

    def read() -> Descriptor:
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

    return read


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
