"""`coral-runtime verify`: is this machine what was reviewed?"""

from __future__ import annotations

from hashlib import sha256

import click

from coral_lock.cli.application import declared_options, lock_option
from coral_lock.cli.formats import emit, output_format_option
from coral_lock.cli.grammar import ACCEPTED_OPTIONS, REPORTING_OPTIONS, trust_directory
from coral_lock.cli.options import place_options
from coral_lock.derive.place import Place
from coral_lock.derive.subject import subject_of
from coral_lock.errors import HOLDS, CoralLockError, UsageError
from coral_lock.finding import exit_code, finding_of_error, sorted_findings
from coral_lock.lockfile.file import parse_lock, read_lock_bytes
from coral_lock.lockfile.model import Lock
from coral_lock.messages import say, say_warning, size_of, warned
from coral_lock.rendering.outcome import Outcome
from coral_lock.reporting import ReportWriter
from coral_lock.signing.accepted import find_acceptance
from coral_lock.verification.machine import FULL, INTEGRITY_LEVELS
from coral_lock.verification.verdict import Verdict, verdict_on


@click.command()
@lock_option
@click.option(
    "--integrity",
    type=click.Choice(INTEGRITY_LEVELS),
    default=FULL,
    show_default=True,
    help="Files to hash: none, those of plugins' distributions, or all.",
)
@place_options
@click.option("--target", metavar="NAME", help="Insist on a target of the lock.")
@declared_options(*ACCEPTED_OPTIONS, *REPORTING_OPTIONS)
@output_format_option
def verify(
    lock: str,
    integrity: str,
    place: Place,
    target: str | None,
    accepted: bool,
    trust_dir: str | None,
    state_dir: str | None,
    device_id: str | None,
    textfile: str | None,
    output_format: str,
) -> int:
    """Compare this machine with the lock, and report every deviation. Nothing is run.

    Another environment, an unpacked image or a wheelhouse is compared in its place where
    an option names one. Of a lock with targets, the part of the one that the machine is
    counts; a wheelhouse has to hold the wheels of all.

    The exit code is 0 if everything is exactly what was locked, 1 if something is
    missing, added or of another version, and 3 if bytes differ, or with --accepted if the lock
    isn't the one that was accepted on this device.

    \b
    Examples:
      coral-runtime verify
      coral-runtime verify --site-packages rootfs/usr/lib/python3.10/site-packages
      coral-runtime verify --wheels wheelhouse
      coral-runtime verify --lock /etc/coral/coral.lock --integrity imports
      coral-runtime verify --output-format json
    """
    directory = trust_directory(accepted, trust_dir)
    place = place.replace(targets=() if target is None else (target,))
    options = {"state_directory": state_dir, "device_id": device_id, "textfile": textfile}
    writer = _writer(place, lock, integrity, options)
    try:
        content = read_lock_bytes(lock)
        digest = sha256(content).hexdigest()
        loaded = warned(parse_lock(content, lock), lock)
        verdict = _compare(place, loaded, integrity)
        acceptance = None
        if accepted:
            acceptance, unaccepted = find_acceptance(digest, lock, directory)
            findings = sorted_findings((*verdict.findings, *unaccepted))
            verdict = verdict.replace(findings=findings)
    except CoralLockError as error:
        if writer is not None:
            problem = finding_of_error(error, subject="verify")
            writer.write(
                "deviates", findings=(problem,), is_finished=True, exit_code=error.exit_code
            )
        raise
    code = exit_code(verdict.findings)
    if writer is not None:
        if verdict.machine is not None:
            writer.learn(verdict.machine.installed_host())
        writer.write(
            "holds" if code == HOLDS else "deviates",
            sha256=digest,
            target=verdict.target,
            accepted=acceptance,
            findings=verdict.findings,
            is_finished=True,
            exit_code=code,
        )
        if any(options.values()):
            for reason in writer.problems:
                say_warning(reason)
    document = {
        "lock": lock,
        "integrity": integrity,
        "target": verdict.target,
        "holds": code == HOLDS,
    }
    emit(Outcome(document=document, findings=verdict.findings), output_format)
    if code == HOLDS:
        part = "" if verdict.target is None else f" for the target `{verdict.target}`"
        say(f"{lock} holds{part}: {size_of(verdict.part or loaded)}, integrity {integrity}")
    return code


def _writer(
    place: Place, lock: str, integrity: str, options: dict[str, str | None]
) -> ReportWriter | None:
    """Return what reports of this environment, None where another place is compared.

    Raises:
        UsageError: the options of a report are given for another place.
    """
    if not (place.python or place.wheels or place.site_packages):
        return ReportWriter("verify", lock, integrity, **options)
    for option, value in zip(REPORTING_OPTIONS, options.values()):
        if value is not None:
            raise UsageError(
                f"`--{option.key}` is about this environment, and another place is compared",
                hint="leave it out: only this environment has reports",
            )
    return None


def _compare(place: Place, lock: Lock, integrity: str) -> Verdict:
    """Return what comes of the comparison."""
    if place.wheels:
        return _compare_wheels(place, lock)
    subject, name = subject_of(place, lock)
    return verdict_on(lock, integrity, subject, name)


def _compare_wheels(place: Place, lock: Lock) -> Verdict:
    from coral_lock.export.installation import distributions_for
    from coral_lock.lockfile.parts import part_of
    from coral_lock.wheels.listing import FETCH
    from coral_lock.wheels.locked import find_locked_wheels
    from coral_lock.wheels.wheelhouse import WheelCache, Wheelhouse

    name = next(iter(place.targets), None)
    distributions = distributions_for(lock, name)
    wheelhouse = Wheelhouse(place.wheels, cache=WheelCache(), if_empty=FETCH)
    _, findings = find_locked_wheels(distributions, wheelhouse)
    part = lock if name is None else part_of(lock, name)
    return Verdict(part=part, target=name, findings=sorted_findings(findings))
