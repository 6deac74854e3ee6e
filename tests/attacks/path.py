"""Added before what is locked, elsewhere on the path."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping

from tests.attacks.attack import FOUND_BEFORE, PROVED, Attack, beside_program, first_lines, on_path
from tests.support.attacked import EVIL, Attacked


def linked_site(machine: Attacked) -> Mapping[str, str]:
    """Name the site directory by a link, before its own name."""
    machine.write("dep/_speedups.py")
    alias = machine.device.directory.parent / "alias"
    alias.symlink_to(machine.site)
    return {"PYTHONPATH": str(alias)}


def zip_on_path(machine: Attacked) -> Mapping[str, str]:
    archive = machine.device.directory.parent / "evil.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in ("dep/__init__.py", "dep/core.py", "dep/late.py", "depmod.py", "nsp.py"):
            file.writestr(path, EVIL)
    return {"PYTHONPATH": str(archive)}


ROWS = {
    "a plugin's package on PYTHONPATH": Attack(
        do=on_path("victim/__init__.py", "victim/plug.py"), expected=FOUND_BEFORE
    ),
    "a requirement's package on PYTHONPATH": Attack(
        do=on_path("dep/__init__.py", "dep/core.py", "dep/late.py"), expected=PROVED
    ),
    "a requirement's module on PYTHONPATH": Attack(do=on_path("depmod.py"), expected=PROVED),
    "a module for a namespace on PYTHONPATH": Attack(do=on_path("nsp.py"), expected=PROVED),
    "a package for a namespace on PYTHONPATH": Attack(
        do=on_path("nsp/__init__.py", "nsp/one.py", "nsp/inner/two.py"), expected=PROVED
    ),
    "a portion of a namespace on PYTHONPATH": Attack(
        do=on_path("nsp/one.py", "nsp/inner/two.py"), expected=PROVED
    ),
    "a standard module on PYTHONPATH": Attack(do=on_path("colorsys.py"), expected=PROVED),
    "a directory called lib-dynload on PYTHONPATH": Attack(
        do=lambda machine: {
            "PYTHONPATH": str(machine.elsewhere("lib-dynload/colorsys.py") / "lib-dynload")
        },
        expected=PROVED,
    ),
    "a module of another system on PYTHONPATH": Attack(
        do=on_path("_winapi.py", "msvcrt.py"), expected=PROVED, probes=("early",)
    ),
    "an archive on PYTHONPATH": Attack(do=zip_on_path, expected=PROVED),
    "a link to the site directory on PYTHONPATH": Attack(do=linked_site, expected=PROVED),
    "a package beside the program": Attack(do=beside_program("dep/__init__.py"), expected=PROVED),
    "a module beside the program": Attack(do=beside_program("depmod.py"), expected=PROVED),
    "a standard module beside the program": Attack(
        do=beside_program("colorsys.py"), expected=PROVED
    ),
    "a namespace's name beside the program": Attack(do=beside_program("nsp.py"), expected=PROVED),
    "a reloader's name beside the program": Attack(do=beside_program("cvlike.py"), expected=PROVED),
    "a module of another system beside the program": Attack(
        do=beside_program("_winapi.py"), expected=PROVED, probes=("early",)
    ),
    "a path put first by the program": Attack(
        do=first_lines("sys.path.insert(0, elsewhere)"), expected=PROVED
    ),
    "a search that starts again": Attack(
        do=first_lines(
            "import importlib\nsys.path.insert(0, elsewhere)\nimportlib.invalidate_caches()\n"
            "sys.path_importer_cache.clear()"
        ),
        expected=PROVED,
    ),
}
