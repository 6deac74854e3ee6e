"""Listed files that were changed."""

from __future__ import annotations

import shutil

from tests.attacks.attack import CHANGED, NEVER, Attack, change, first_lines, remove
from tests.support.attacked import EXTENSION, LIBRARIES, Attacked


def edited_bytecode(machine: Attacked) -> None:
    content = (machine.site / "secret.pyc").read_bytes()
    machine.write("secret.pyc", content.replace(b"secret", b"tecret"))


def caught_failure(machine: Attacked) -> None:
    change("dep/core.py")(machine)
    first_lines("try:\n    import dep.core\nexcept Exception:\n    pass")(machine)


def linked_file(machine: Attacked) -> None:
    evil = machine.elsewhere("core.py") / "core.py"
    (machine.site / "dep/core.py").unlink()
    (machine.site / "dep/core.py").symlink_to(evil)


def linked_directory(machine: Attacked) -> None:
    evil = machine.elsewhere("dep/__init__.py", "dep/core.py", "dep/late.py") / "dep"
    shutil.rmtree(machine.site / "dep")
    (machine.site / "dep").symlink_to(evil)


def library_content(extra: bytes) -> bytes:
    return LIBRARIES[0].read_bytes() + extra if LIBRARIES else b""


ROWS = {
    "a plugin's module": Attack(do=change("victim/helper.py"), expected=CHANGED),
    "the entry point's module": Attack(do=change("victim/plug.py"), expected=CHANGED),
    "a requirement's module": Attack(do=change("dep/core.py"), expected=CHANGED),
    "a requirement's `__init__`": Attack(do=change("dep/__init__.py"), expected=CHANGED),
    "a namespace's module": Attack(do=change("nsp/inner/two.py"), expected=CHANGED),
    "bytecode without a source": Attack(do=edited_bytecode, expected=CHANGED),
    "a file of data": Attack(
        do=change("dep/data/info.txt", "forged info"), expected=CHANGED, probes=("data",)
    ),
    "a file of data that is a resource": Attack(
        do=change("dep/data/info.txt", "forged info"), expected=CHANGED, probes=("resource",)
    ),
    "a module that is gone": Attack(
        do=remove("dep/core.py"), expected=("evil", "refused", "refused")
    ),
    "a module that is a link": Attack(do=linked_file, expected=CHANGED),
    "a package that is a link": Attack(do=linked_directory, expected=CHANGED),
    "a file of twins": Attack(do=change("twin/shared.py"), expected=CHANGED),
    "a file of twins that is the other's": Attack(
        do=change("twin/shared.py", "NAME = 'a'\n"), expected=NEVER
    ),
    "an extension module": Attack(
        do=change(f"natpack/_statistics{EXTENSION}", library_content(b"evil")),
        expected=("harmless", "refused", "refused"),
        needs_libraries=True,
    ),
    "a library that `ctypes` loads": Attack(
        do=change("natpack.libs/libhelper.so", library_content(b"evil")),
        expected=("harmless", "refused", "refused"),
        probes=("library",),
        needs_libraries=True,
    ),
    "a library beside an extension module": Attack(
        do=change("natpack.libs/libother.so.1", library_content(b"evil")),
        expected=("harmless", "refused", "refused"),
        probes=("native",),
        needs_libraries=True,
    ),
    "a file that nothing loads": Attack(
        do=change("dep/late.py"), expected=("harmless", "harmless", "refused"), probes=("core",)
    ),
    "a module between verification and import": Attack(
        do=first_lines("open(site + '/dep/late.py', 'w').write('NAME = \"evil\"')"),
        expected=CHANGED,
    ),
    "a plugin's module between verification and import": Attack(
        do=first_lines(
            "open(site + '/victim/new.py', 'w').write('')\n"
            "open(site + '/victim/helper.py', 'w').write('NAME = \"evil\"')\n"
            "import importlib, victim.helper\nsys.modules.pop('victim.helper')\n"
            "importlib.import_module('victim.helper')"
        ),
        expected=("harmless", "refused", "refused"),
    ),
    "a module before it is loaded again": Attack(
        do=first_lines(
            "import dep.core, importlib\n"
            "open(site + '/dep/core.py', 'w').write('NAME = \"evil\"')\nimportlib.reload(dep.core)"
        ),
        expected=CHANGED,
    ),
    "a module whose failure is caught": Attack(
        do=caught_failure, expected=CHANGED, probes=("late",)
    ),
}
