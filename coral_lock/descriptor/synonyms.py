"""The runtime's own keys: what its users have in their files and on its command line.

Each stands for a key of the descriptor. The runtime reads the flat ones in files and behind
its `--set`, where it overlooks upper case and takes `-` for `_`; it reads the others behind
its `--set` alone.
"""

from __future__ import annotations

from coral_lock.plugin.config import BUILT_IN_PATCHES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Path: TypeAlias = tuple[str, ...]

BACKEND_MODULES = ("backends", "modules")

FLAT_KEYS: dict[str, Path] = {
    "auto_discover_backends": ("backends", "auto_discover"),
    "auto_patch_rknn": ("backends", "auto_patch_rknn"),
    "backend_entry_modules": BACKEND_MODULES,
    **{attribute: ("patches", name) for name, attribute in sorted(BUILT_IN_PATCHES.items())},
}
"""A flat key, and the path of the key that it stands for."""

_OF_BACKENDS = {"auto": "auto_discover", "module": "modules"}


def own_path(parts: Path) -> Path:
    """Return the path that a key behind `--set` stands for: its own, or that of a synonym."""
    first = _normal(parts[0])
    if len(parts) == 1:
        return FLAT_KEYS.get(first, parts)
    second = _normal(parts[1])
    if first == "patch":
        return ("patches", second if second in BUILT_IN_PATCHES else parts[1], *parts[2:])
    if first == "backends" and len(parts) == 2:
        return (first, _OF_BACKENDS.get(second, parts[1]))
    return parts


def _normal(part: str) -> str:
    return part.lower().replace("-", "_")
