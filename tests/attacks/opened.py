"""Files that are opened rather than imported."""

from __future__ import annotations

from tests.attacks.attack import CHANGED, PROVED, Attack, change, stray
from tests.attacks.bytecode import forged_bytecode

ROWS = {
    "a file of data that a program opens": Attack(
        do=change("dep/data/info.txt", "forged info"), expected=CHANGED, probes=("read",)
    ),
    "a source that `runpy` runs": Attack(
        do=change("dep/core.py"), expected=CHANGED, probes=("runpy",)
    ),
    "a source that is loaded by its path": Attack(
        do=change("dep/core.py"), expected=CHANGED, probes=("spec",)
    ),
    "a source that another loader reads": Attack(
        do=change("dep/core.py"), expected=CHANGED, probes=("loader",)
    ),
    "unchecked bytecode of a source that is loaded by its path": Attack(
        do=forged_bytecode("dep/core.py", 1), expected=PROVED, probes=("spec",)
    ),
    "bytecode with equal time and size for another loader": Attack(
        do=forged_bytecode("dep/core.py", 0), expected=PROVED, probes=("loader",)
    ),
    "a source in a package that is loaded by its path": Attack(
        do=stray("dep/_speedups.py"), expected=PROVED, probes=("stray",)
    ),
    "metadata that a program reads": Attack(
        do=change("dep-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: evil\n"),
        expected=("refused", "refused", "refused"),
        probes=("metadata",),
    ),
    "entry points of a distribution that has none": Attack(
        do=stray("dep-1.0.dist-info/entry_points.txt", "[console_scripts]\nx = dep:x\n"),
        expected=PROVED,
        probes=("metadata",),
    ),
}
