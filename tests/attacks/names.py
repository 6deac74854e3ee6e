"""Names that aren't found as others are: added or extended paths, and folders of data."""

from __future__ import annotations

from collections.abc import Mapping

from tests.attacks.attack import CHANGED, PROVED, Attack, beside_program, change, stray
from tests.support.attacked import EVIL, Attacked


def portion(machine: Attacked) -> Mapping[str, str]:
    """Put a directory on the path that a package which extends its own takes modules from."""
    return {"PYTHONPATH": str(machine.elsewhere("extpkg/__init__.py", "extpkg/extra.py"))}


def listed_portion(machine: Attacked) -> Mapping[str, str]:
    directory = machine.elsewhere("more/extra.py")
    machine.write(directory / "extpkg.pkg", f"{directory}/more\n")
    return {"PYTHONPATH": str(directory)}


ROWS = {
    "a module whose name begins with a digit": Attack(
        do=change("3dutils.py"), expected=CHANGED, probes=("digits",)
    ),
    "a package before a name that begins with a digit": Attack(
        do=stray("3dutils/__init__.py"), expected=PROVED, probes=("digits",)
    ),
    "a name that begins with a digit beside the program": Attack(
        do=beside_program("3dutils.py"), expected=PROVED, probes=("digits",)
    ),
    "a package whose name begins with a digit": Attack(
        do=change("4pkg/__init__.py"), expected=CHANGED, probes=("folder",)
    ),
    "a module whose name has a hyphen": Attack(
        do=change("my-mod.py"), expected=CHANGED, probes=("hyphen",)
    ),
    "a name with a hyphen beside the program": Attack(
        do=beside_program("my-mod.py"), expected=PROVED, probes=("hyphen",)
    ),
    "a module in the site root before one that a `.pth` adds": Attack(
        do=stray("pthmod.py"), expected=PROVED, probes=("added",)
    ),
    "a module beside the program before one that a `.pth` adds": Attack(
        do=beside_program("pthmod.py"), expected=PROVED, probes=("added",)
    ),
    "a module in the site root before a vendored one": Attack(
        do=stray("vendored.py"), expected=PROVED, probes=("vendored",)
    ),
    "a package beside the program before a vendored module": Attack(
        do=beside_program("vendored/__init__.py"), expected=PROVED, probes=("vendored",)
    ),
    "a portion of a package that extends its path": Attack(
        do=portion, expected=PROVED, probes=("extended",)
    ),
    "a `.pkg` file of a package that extends its path": Attack(
        do=listed_portion, expected=PROVED, probes=("extended",)
    ),
    "an `__init__` in a folder of data": Attack(
        do=stray("assets/__init__.py"), expected=PROVED, probes=("assets",)
    ),
    "a file in a folder of data": Attack(
        do=change("assets/info.txt", EVIL), expected=CHANGED, probes=("asset",)
    ),
    "an archive that a locked package puts on the path": Attack(
        do=change("zipped/lib.zip", b"no archive"),
        expected=("evil", "refused", "refused"),
        probes=("zipped",),
    ),
}
