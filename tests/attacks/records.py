"""RECORDs that were changed."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

from tests.attacks.attack import CHANGED, PROVED, Attack, remove
from tests.support.attacked import Attacked


def false_record(path: str, dist_info: str) -> Callable[[Attacked], None]:
    """Change a file, and make the RECORD say that it is right."""

    def do(machine: Attacked) -> None:
        content = machine.write(path).read_bytes()
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record = machine.site / dist_info / "RECORD"
        record.write_text(
            "".join(
                f"{path},sha256={digest},{len(content)}\n" if line.startswith(f"{path},") else line
                for line in record.read_text().splitlines(keepends=True)
            )
        )

    return do


def claiming_record(machine: Attacked) -> None:
    """Install a distribution whose RECORD claims a file in a locked package."""
    machine.write("dep/_speedups.py")
    machine.write("nsp/one/__init__.py")
    info = "claimant-1.0.dist-info"
    machine.write(f"{info}/METADATA", "Metadata-Version: 2.1\nName: claimant\nVersion: 1.0\n")
    machine.write(
        f"{info}/RECORD", f"dep/_speedups.py,,\nnsp/one/__init__.py,,\n{info}/METADATA,,\n"
    )


def extended_record(machine: Attacked) -> None:
    """Add a row to a locked distribution's own RECORD."""
    machine.write("dep/_speedups.py")
    with (machine.site / "dep-1.0.dist-info" / "RECORD").open("a") as record:
        record.write("dep/_speedups.py,,\n")


def roundabout_record(machine: Attacked) -> None:
    """Name a stray file by a path that leaves the site directory and comes back."""
    machine.write("dep/_speedups.py")
    with (machine.site / "dep-1.0.dist-info" / "RECORD").open("a") as record:
        record.write("../site-packages/dep/_speedups.py,,\n")


ROWS = {
    "a RECORD that says a change is right": Attack(
        do=false_record("dep/core.py", "dep-1.0.dist-info"), expected=CHANGED
    ),
    "a plugin's RECORD that says a change is right": Attack(
        do=false_record("victim/helper.py", "victim-1.0.dist-info"), expected=CHANGED
    ),
    "a RECORD that claims what isn't its own": Attack(do=claiming_record, expected=PROVED),
    "a RECORD with one more row": Attack(do=extended_record, expected=CHANGED),
    "a RECORD with a roundabout row": Attack(
        do=roundabout_record, expected=("evil", "harmless", "refused")
    ),
    "a RECORD that is gone": Attack(
        do=remove("dep-1.0.dist-info/RECORD"), expected=("harmless", "refused", "refused")
    ),
}
