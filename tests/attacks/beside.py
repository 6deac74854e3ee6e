"""Added beside what is locked: files that a search through directories finds."""

from __future__ import annotations

from tests.attacks.attack import NEVER, PROVED, Attack, stray
from tests.support.attacked import EXTENSION, Attacked


def linked_stray(machine: Attacked) -> None:
    evil = machine.elsewhere("_speedups/__init__.py") / "_speedups"
    (machine.site / "dep" / "_speedups").symlink_to(evil)


ROWS = {
    "a source in a plugin": Attack(do=stray("victim/_speedups.py"), expected=PROVED),
    "an extension in a plugin": Attack(do=stray(f"victim/_speedups{EXTENSION}"), expected=NEVER),
    "a package in a plugin": Attack(do=stray("victim/_speedups/__init__.py"), expected=PROVED),
    "a namespace in a plugin": Attack(do=stray("victim/_speedups/x.py"), expected=NEVER),
    "old bytecode in a plugin": Attack(
        do=stray("victim/_speedups.pyc", b"no bytecode"), expected=NEVER
    ),
    "a source in a requirement": Attack(do=stray("dep/_speedups.py"), expected=PROVED),
    "a package in a requirement": Attack(do=stray("dep/_speedups/__init__.py"), expected=PROVED),
    "a namespace in a requirement": Attack(do=stray("dep/_speedups/inner.py"), expected=PROVED),
    "a link to a package in a requirement": Attack(do=linked_stray, expected=PROVED),
    "a source in a directory of data": Attack(
        do=stray("dep/data/__init__.py"), expected=NEVER, probes=("resource", "data")
    ),
}
