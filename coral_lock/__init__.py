"""Reproducible, reviewable plugin loading for Coral Runtime.

The functions do what the commands of the same names do; see `coral_lock.api`.
"""

from __future__ import annotations

# Under a lock this is imported before pytest, which would warn that it can't rewrite our
# assertions any more, but for this word; a docstring isn't there under `-OO`.
__doc__ = f"{__doc__ or ''}\nPYTEST_DONT_REWRITE"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.api import StartError, diff, init, lock, verify
    from coral_lock.errors import CoralLockError
    from coral_lock.lockfile.text import read_lock, write_lock
    from coral_lock.plugin.config import RuntimeConfig
    from coral_lock.plugin.spec import BackendAdapter, PluginSpec

__version__ = "0.1.0"

__all__ = [
    "BackendAdapter",
    "CoralLockError",
    "PluginSpec",
    "RuntimeConfig",
    "StartError",
    "diff",
    "init",
    "lock",
    "read_lock",
    "verify",
    "write_lock",
]

_HOMES = {
    "BackendAdapter": "plugin.spec",
    "CoralLockError": "errors",
    "PluginSpec": "plugin.spec",
    "RuntimeConfig": "plugin.config",
    "read_lock": "lockfile.text",
    "write_lock": "lockfile.text",
}


def __getattr__(name: str) -> object:
    """Import a name when it is asked for (PEP 562).

    Every Python process that a program under a lock starts imports this package, and most
    need nothing of it: the imports would cost them more than all the rest.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'api')}"), name)
    globals()[name] = value
    return value
