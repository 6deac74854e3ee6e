"""`coral-runtime verify`: is this machine what was reviewed?"""

from __future__ import annotations

import sys

import click

from coral_lock import canonical_json
from coral_lock.cli.messages import say, say_findings, say_warning
from coral_lock.cli.options import lock_option, output_format_option
from coral_lock.finding import exit_code
from coral_lock.lockfile.file import load_lock
from coral_lock.verification.findings import findings_of
from coral_lock.verification.machine import FULL, INTEGRITY_LEVELS, observe
from coral_lock.wording import later_version_warning, size_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.canonical_json import Value


@click.command()
@lock_option
@click.option(
    "--integrity",
    type=click.Choice(INTEGRITY_LEVELS),
    default=FULL,
    show_default=True,
    help="Whose bytes are hashed: nobody's, the plugins' distributions', or all.",
)
@output_format_option
def verify(lock: str, integrity: str, output_format: str) -> int:
    """Compare this machine with the lock, and report every deviation. Nothing is run.

    The exit code is 0 if the machine is exactly what was locked, 1 if something is
    missing, added or of another version, and 3 if bytes differ.

    \b
    Examples:
      coral-runtime verify
      coral-runtime verify --lock /etc/coral/coral.lock --integrity plugins
      coral-runtime verify --output-format json
    """
    loaded = load_lock(lock)
    warning = later_version_warning(loaded, lock)
    if warning:
        say_warning(warning)
    findings = findings_of(loaded, observe(loaded, integrity))
    if output_format == "json":
        document: dict[str, Value] = {
            "lock": lock,
            "integrity": integrity,
            "holds": exit_code(findings) == 0,
            "findings": [finding.to_dict() for finding in findings],
        }
        sys.stdout.write(canonical_json.write(document))
    else:
        say_findings(findings)
    if exit_code(findings) == 0:
        say(f"{lock} holds: {size_of(loaded)}, integrity {integrity}")
    return exit_code(findings)
