"""`coral-runtime verify`: is this machine what was reviewed?"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import click

from coral_lock.cli.application import declared_options, lock_option
from coral_lock.cli.formats import emit, output_format_option
from coral_lock.cli.grammar import ACCEPTED_OPTIONS, trust_directory
from coral_lock.cli.options import place_options
from coral_lock.derive.place import Place, subject_of
from coral_lock.errors import HOLDS
from coral_lock.finding import Finding, exit_code, sorted_findings
from coral_lock.lockfile.file import decode_lock, read_lock_bytes
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.text import read_lock
from coral_lock.messages import say, size_of, warned
from coral_lock.rendering.outcome import Outcome
from coral_lock.signing.accepted import find_acceptance
from coral_lock.verification.machine import FULL, INTEGRITY_LEVELS
from coral_lock.verification.verdict import verdict_on


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
@declared_options(*ACCEPTED_OPTIONS)
@output_format_option
def verify(
    lock: str,
    integrity: str,
    place: Place,
    target: str | None,
    accepted: bool,
    trust_dir: str | None,
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
    content = read_lock_bytes(lock)
    loaded = warned(read_lock(decode_lock(content, lock), lock), lock)
    place = replace(place, targets=() if target is None else (target,))
    compared, name, findings = _compare(place, loaded, integrity)
    if accepted:
        sha256 = hashlib.sha256(content).hexdigest()
        _, unaccepted = find_acceptance(sha256, lock, directory)
        findings = sorted_findings((*findings, *unaccepted))
    code = exit_code(findings)
    document = {"lock": lock, "integrity": integrity, "target": name, "holds": code == HOLDS}
    emit(Outcome(document=document, findings=findings), output_format)
    if code == HOLDS:
        part = "" if name is None else f" for the target `{name}`"
        say(f"{lock} holds{part}: {size_of(compared)}, integrity {integrity}")
    return code


def _compare(
    place: Place, lock: Lock, integrity: str
) -> tuple[Lock, str | None, tuple[Finding, ...]]:
    """Return the part of the lock that was compared, its target, and the findings."""
    if place.wheels:
        return _compare_wheels(place, lock)
    subject, name = subject_of(place, lock)
    verdict = verdict_on(lock, integrity, subject, name)
    return verdict.part or lock, verdict.target, verdict.findings


def _compare_wheels(place: Place, lock: Lock) -> tuple[Lock, str | None, tuple[Finding, ...]]:
    from coral_lock.export.installation import distributions_for
    from coral_lock.lockfile.parts import part_of
    from coral_lock.wheels.listing import FETCH
    from coral_lock.wheels.locked import find_locked_wheels
    from coral_lock.wheels.wheelhouse import WheelCache, Wheelhouse

    name = next(iter(place.targets), None)
    distributions = distributions_for(lock, name)
    wheelhouse = Wheelhouse(place.wheels, cache=WheelCache(), if_empty=FETCH)
    _, findings = find_locked_wheels(distributions, wheelhouse)
    return (lock if name is None else part_of(lock, name)), name, sorted_findings(findings)
