"""Added before what is locked, in the same directory."""

from __future__ import annotations

from tests.attacks.attack import FOUND_BEFORE, PROVED, Attack, stray
from tests.support.attacked import EXTENSION

ROWS = {
    "a package before a plugin's module": Attack(
        do=stray("victim/helper/__init__.py"), expected=PROVED
    ),
    "a package before the entry point": Attack(
        do=stray("victim/plug/__init__.py"), expected=FOUND_BEFORE
    ),
    "an extension before the entry point": Attack(
        do=stray(f"victim/plug{EXTENSION}"), expected=FOUND_BEFORE
    ),
    "a package before a module": Attack(do=stray("dep/core/__init__.py"), expected=PROVED),
    "an extension before a module": Attack(do=stray(f"dep/core{EXTENSION}"), expected=PROVED),
    "an extension before an `__init__`": Attack(
        do=stray(f"dep/__init__{EXTENSION}"), expected=PROVED
    ),
    "a package before a top-level module": Attack(do=stray("depmod/__init__.py"), expected=PROVED),
    "a module beside a namespace": Attack(do=stray("nsp.py"), expected=PROVED),
    "an `__init__` in a namespace": Attack(do=stray("nsp/__init__.py"), expected=PROVED),
    "an `__init__` deep in a namespace": Attack(do=stray("nsp/inner/__init__.py"), expected=PROVED),
    "a package before a namespace's module": Attack(
        do=stray("nsp/one/__init__.py"), expected=PROVED
    ),
    "a source beside bytecode that is locked": Attack(do=stray("secret.py"), expected=PROVED),
    "a module in a package that imports itself": Attack(
        do=stray("cvlike/cvlike/__init__.py"), expected=PROVED
    ),
}
