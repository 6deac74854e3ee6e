"""`init` and `run`: the two commands of a device, on a path that imports little."""

from __future__ import annotations

import os
import sys

from coral_lock import canonical_json
from coral_lock.cli.messages import say, say_findings, say_warning
from coral_lock.errors import CoralLockError, InputError, UsageError, exit_code_of_run
from coral_lock.finding import ERROR, Finding, sorted_findings
from coral_lock.safe_read import read_regular_file
from coral_lock.start.gate import Gate
from coral_lock.start.locked import prepare_locked
from coral_lock.start.report import ACTIVATED, REFUSED, STARTED, VERIFIED, ActivationReport
from coral_lock.start.stdout_guard import StdoutGuard
from coral_lock.wording import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from coral_lock.cli.grammar import Arguments
    from coral_lock.descriptor.model import Descriptor
    from coral_lock.start.program import Program

_MAX_REPORT_BYTES = 16 << 20


def init(arguments: Arguments) -> int:
    """Run `coral-runtime init`: one JSON document on standard output; return the exit code."""
    guard = StdoutGuard()
    report = start(arguments)
    document = canonical_json.write(report.to_dict())
    try:
        guard.write_document(document)
    except BrokenPipeError:
        pass
    except OSError as error:
        raise InputError(f"the report can't be written: {error.strerror}", where="stdout") from None
    return report.exit_code


def run(arguments: Arguments) -> int | Program:
    """Run `coral-runtime run`: start, and return the program, ready to run in this process.

    The exit code is returned instead where the start didn't succeed. An error that ends it
    before there is a report stands in a report of its own, for whoever asked for one.
    """
    try:
        return _run(arguments)
    except CoralLockError as error:
        _report_refusal(arguments.last("report"), error)
        raise


def _run(arguments: Arguments) -> int | Program:
    if not arguments.flag("locked"):
        raise UsageError(
            "`run` starts from a lock only", hint="write `coral-runtime run --locked -- PROGRAM`"
        )
    from coral_lock.start.program import prepare_program

    program = prepare_program(arguments.program)
    guard = StdoutGuard()
    later = None if arguments.flag("eager") else _later(arguments, program.findings)
    try:
        report = start(arguments, program.findings, later)
    finally:
        guard.release()
    if report.outcome not in (STARTED, VERIFIED):
        return report.exit_code
    return program


def _later(arguments: Arguments, findings: Sequence[Finding]) -> Callable[[ActivationReport], None]:
    """Return what is done once the program has imported the host.

    The program isn't to go on with a host that isn't what the lock says, whatever it
    catches: only `os._exit` is sure to end it.
    """

    def conclude(report: ActivationReport) -> None:
        _conclude(arguments, report, findings)
        if report.outcome != STARTED:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
            os._exit(exit_code_of_run(report.exit_code))

    return conclude


def _report_refusal(path: str | None, error: CoralLockError) -> None:
    """Write the report of a start that never came to look at the machine."""
    if path is None:
        return
    report = ActivationReport(
        outcome=REFUSED,
        lock=None,
        platform="",
        plugins=(),
        patches_enabled={},
        findings=tuple(
            Finding(
                code="not-started",
                severity=ERROR,
                subject="start",
                summary=each.message,
                expected=each.expected,
                found=each.found,
                where=each.where,
                hint=each.hint,
            )
            for each in (*getattr(error, "problems", ()), error)
        ),
        log_messages=("The start was refused before the machine was looked at",),
    )
    try:
        _prepare_report(path)
        _write_report(path, canonical_json.write(report.to_dict()))
    except (CoralLockError, OSError):
        # What ended the start is told next, and often it is the report that can't be written.
        return


def start(
    arguments: Arguments,
    findings: Sequence[Finding] = (),
    later: Callable[[ActivationReport], None] | None = None,
) -> ActivationReport:
    """Start as the command line says, write the report where it says, and tell the user.

    Args:
        arguments: the command line.
        findings: what is known already, for the report.
        later: leaves the start of a host to its first import, and is handed the report then.
    """
    _refuse_without_lock(arguments)
    report_path = arguments.last("report")
    if report_path is not None:
        _prepare_report(report_path)
    descriptor = _descriptor(arguments)
    if arguments.flag("locked"):
        prepared = prepare_locked(
            str(arguments.last("lock")),
            descriptor=descriptor,
            integrity=str(arguments.last("integrity")),
            state_directory=arguments.last("state-dir"),
        )
        report = prepared.refusal or Gate(
            prepared.starting, prepared.origins, later or (lambda report: None)
        ).open(is_eager=later is None)
    else:
        from coral_lock.start.live import start_live

        report = start_live(descriptor)
    return _conclude(arguments, report, findings)


def _conclude(
    arguments: Arguments, report: ActivationReport, findings: Sequence[Finding]
) -> ActivationReport:
    """Write the report where the command line says, and tell the user."""
    report = report.replace(findings=sorted_findings((*report.findings, *findings)))
    report_path = arguments.last("report")
    if report_path is not None:
        _write_report(report_path, canonical_json.write(report.to_dict()))
    _tell(report)
    return report


def _refuse_without_lock(arguments: Arguments) -> None:
    """Refuse options that a start without a lock would silently ignore."""
    for key in ("lock", "integrity", "state-dir"):
        if key in arguments.given and not arguments.flag("locked"):
            raise UsageError(
                f"`--{key}` needs `--locked`: without it, no lock is read",
                hint="write `coral-runtime init --locked`",
            )


def _prepare_report(path: str) -> None:
    """See that a report can be written, before anything is activated.

    An earlier report is removed, so that a start that dies doesn't leave its success behind.

    Raises:
        InputError: the file is something else than a report, or its directory can't be
            written.
    """
    if not os.path.exists(path):
        directory = os.path.dirname(os.path.abspath(path))
        if not os.access(directory, os.W_OK):
            raise InputError(
                f"the report `{path}` can't be written there",
                where=directory,
                hint="name a file in a directory that exists and that this user can write to",
            )
        return
    if not os.path.isfile(path):
        return
    try:
        content = read_regular_file(path, _MAX_REPORT_BYTES)
        if content and b'"report_version"' not in content:
            raise InputError(
                f"`{path}` isn't a report, so it isn't overwritten",
                where=path,
                hint="remove it first, or name another file with `--report FILE`",
            )
        os.unlink(path)
    except OSError as error:
        raise InputError(
            f"the earlier report can't be replaced: {error.strerror}", where=path
        ) from None


def _write_report(path: str, text: str) -> None:
    """Write a report; a pipe or a device is written to and stays what it is."""
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb", buffering=0) as file:
            file.write(text.encode("utf-8"))
        return
    from coral_lock.durable_write import write_durably

    write_durably(path, text)


def _descriptor(arguments: Arguments) -> Descriptor | None:
    """Return what the command line and the environment ask for; None if that is nothing."""
    path = arguments.last("config")
    settings = arguments.all("set")
    environment = None if arguments.flag("no-env") else os.environ
    if (
        path is None
        and not settings
        and not (environment and any(name.startswith("CORAL_") for name in environment))
    ):
        return None
    from coral_lock.descriptor.load import load_descriptor

    descriptor = load_descriptor(path, settings=settings, environment=environment)
    for warning in descriptor.warnings:
        say_warning(warning)
    return descriptor


def _tell(report: ActivationReport) -> None:
    say_findings(report.findings)
    if report.outcome == REFUSED:
        reason = "this machine doesn't match the lock" if report.locked else "see the errors above"
        say(f"start refused: {reason}; no plugin was run")
        return
    if report.outcome == VERIFIED:
        say(
            f"verified on {report.platform}: {counted(len(report.plugins), 'plugin')}, "
            "to be activated at the first import of `coral_inference`"
        )
        return
    active = sum(outcome.status == ACTIVATED for outcome in report.plugins)
    verb = "started" if report.outcome == STARTED else "start failed"
    say(f"{verb} on {report.platform}: {active} of {counted(len(report.plugins), 'plugin')} active")
