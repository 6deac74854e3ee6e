"""`init`, and what `run` has in common with it: a path that imports little."""

from __future__ import annotations

import os

from coral_lock import canonical_json
from coral_lock.cli.options import descriptor_path
from coral_lock.errors import CoralLockError, UsageError
from coral_lock.finding import sorted_findings
from coral_lock.messages import say, say_findings, say_warning
from coral_lock.start.gate import Gate
from coral_lock.start.locked import prepare_locked
from coral_lock.start.report import ACTIVATED, REFUSED, STARTED, VERIFIED, ActivationReport
from coral_lock.start.stdout_guard import StdoutGuard
from coral_lock.wording import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from coral_lock.cli.grammar import Arguments
    from coral_lock.descriptor.model import Descriptor, HostVersions
    from coral_lock.finding import Finding
    from coral_lock.start.locked import LockedStart
    from coral_lock.start.report import ActivationReport


def init(arguments: Arguments) -> int:
    """Run `coral-runtime init`: one JSON document on standard output; return the exit code."""
    guard = StdoutGuard()
    report = start(arguments)
    guard.write_document(canonical_json.write(report.to_dict()))
    return report.exit_code


def start(arguments: Arguments) -> ActivationReport:
    """Start as `init` says, write the report where it says, and tell the user."""
    try:
        return _start(arguments)
    except CoralLockError as error:
        report_refusal_of(arguments, error)
        raise


def _start(arguments: Arguments) -> ActivationReport:
    _refuse_without_lock(arguments)
    if arguments.flag("locked"):
        prepared = prepare(arguments)
        if prepared.refusal is None:
            prepared.lock_imports(lambda finding: None)
        report = prepared.refusal or Gate(prepared.starting).open(is_eager=True)
    else:
        from coral_lock.start.live import start_live

        _begin_report_of(arguments)
        told = _told(arguments)
        report = start_live(_descriptor(arguments, told), told=told)
    return conclude(arguments, report, ())


def prepare(arguments: Arguments) -> LockedStart:
    """Look at the machine as the command line says."""
    _begin_report_of(arguments)
    told = _told(arguments)
    descriptor = _descriptor(arguments, told)
    return prepare_locked(
        str(arguments.last("lock")),
        descriptor=descriptor.with_told(told) if descriptor and told else descriptor,
        integrity=str(arguments.last("integrity")),
        state_directory=arguments.last("state-dir"),
        closed=arguments.flag("closed"),
    )


def _begin_report_of(arguments: Arguments) -> None:
    """Try the file of the report, for whoever asked for one, before anything is imported."""
    path = arguments.last("report")
    if path is not None:
        from coral_lock.start.report_file import begin_report

        begin_report(path)


def report_refusal_of(arguments: Arguments, error: CoralLockError) -> None:
    """Write the report of a start that an error ended, for whoever asked for one."""
    path = arguments.last("report")
    if path is not None:
        from coral_lock.start.report_file import report_refusal

        report_refusal(path, error)


def conclude(
    arguments: Arguments,
    report: ActivationReport,
    findings: Sequence[Finding],
    is_told: bool = False,
    earlier: ActivationReport | None = None,
) -> ActivationReport:
    """Write the report where the command line says, and tell the user if that isn't done.

    What an `earlier` report of the same start has told isn't told again.
    """
    report = report.replace(findings=sorted_findings(dict.fromkeys((*report.findings, *findings))))
    path = arguments.last("report")
    if path is not None:
        from coral_lock.start.report_file import write_report

        write_report(path, report)
    if not is_told:
        _tell(report, earlier.findings if earlier else ())
    return report


def _refuse_without_lock(arguments: Arguments) -> None:
    """Refuse options that a start without a lock would silently ignore."""
    for key in ("lock", "integrity", "state-dir", "closed"):
        if key in arguments.given and not arguments.flag("locked"):
            raise UsageError(
                f"`--{key}` needs `--locked`: without it, no lock is read",
                hint="write `coral-runtime init --locked`",
            )


def _told(arguments: Arguments) -> HostVersions | None:
    """Return the versions of hosts that the command line tells; None if it tells none."""
    core, inference = arguments.last("core-version"), arguments.last("inference-version")
    if core is None and inference is None:
        return None
    from coral_lock.descriptor.model import HostVersions

    return HostVersions(core=core, inference=inference)


def _descriptor(arguments: Arguments, told: HostVersions | None) -> Descriptor | None:
    """Return what the command line and the environment ask for; None if that is nothing."""
    path = descriptor_path(arguments.last("config"), arguments.flag("no-config"))
    settings = arguments.all("set")
    environment = None if arguments.flag("no-env") else os.environ
    if (
        path is None
        and told is None
        and not settings
        and not (environment and any(name.startswith("CORAL_") for name in environment))
    ):
        return None
    from coral_lock.descriptor.load import load_descriptor

    descriptor = load_descriptor(path, settings=settings, environment=environment)
    for warning in descriptor.warnings:
        say_warning(warning)
    return descriptor


def _tell(report: ActivationReport, told: Sequence[Finding]) -> None:
    say_findings(finding for finding in report.findings if finding not in told)
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
    for outcome in report.plugins:
        if outcome.status != ACTIVATED:
            say(f"  {outcome.id} isn't active: {outcome.reason}")
