"""Libraries that were planted where the loader, or a program, looks for them."""

from __future__ import annotations

from tests.attacks.attack import PROVED, Attack, Levels, stray
from tests.attacks.changed import library_content

SEARCHED: Levels = ("harmless", "refused", "refused")
"""Nothing needs what was planted here, so at `metadata` nothing shows that it would be loaded."""


def planted(path: str) -> Attack:
    return Attack(
        do=stray(path, library_content(b"evil")),
        expected=SEARCHED,
        probes=("native",),
        needs_libraries=True,
    )


ROWS = {
    "a library for this machine in `glibc-hwcaps`": planted(
        "natpack.libs/glibc-hwcaps/x86-64-v2/libhelper.so"
    ),
    "a library in a legacy folder of the loader": planted("natpack.libs/tls/libhelper.so"),
    "a library in a directory named earlier": planted("earlier.libs/libhelper.so"),
    "a system library's name in a folder of libraries": planted("natpack.libs/libstdc++.so.6"),
    "a library in a locked folder that `ctypes` loads": Attack(
        do=stray("natpack.libs/libnew.so", library_content(b"evil")),
        expected=PROVED,
        probes=("planted",),
        needs_libraries=True,
    ),
}
