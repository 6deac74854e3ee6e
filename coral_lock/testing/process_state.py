"""Putting this process back as it was before a plugin was activated in it."""

from __future__ import annotations

import os
import sys

from coral_lock.plugin.shim import RuntimeShim

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class ProcessState:
    """What an activation changes in a process, as it was at construction.

    That is the environment variables, `sys.path`, `sys.meta_path`, and which of a plugin's
    own modules are imported. Other modules that a plugin imports stay, since many extension
    modules can't be imported twice; and what it changes in them, such as in the host, can't
    be known.
    """

    def __init__(self) -> None:
        self._environment = dict(os.environ)
        self._path = list(sys.path)
        self._meta_path = list(sys.meta_path)
        self._modules = frozenset(sys.modules)
        self._packages: set[str] = set()

    def note_modules(self, modules: Iterable[str]) -> None:
        """Remember modules of plugins: what is imported of their top-level packages goes."""
        self._packages.update(module.partition(".")[0] for module in modules)

    def restore(self) -> None:
        """Put back what was there at construction."""
        os.environ.clear()
        os.environ.update(self._environment)
        sys.path[:] = self._path
        sys.meta_path[:] = self._meta_path
        for name in [name for name in sys.modules if name not in self._modules]:
            if name.partition(".")[0] in self._packages or _is_stand_in(name):
                _forget(name)


def _is_stand_in(name: str) -> bool:
    """Whether a module is one that coral-lock served in place of the host's."""
    return isinstance(getattr(sys.modules[name], "__loader__", None), RuntimeShim)


def _forget(name: str) -> None:
    """Remove a module, also from its package, where `from package import` would find it."""
    module = sys.modules.pop(name)
    parent, _, child = name.rpartition(".")
    if getattr(sys.modules.get(parent), child, None) is module:
        delattr(sys.modules[parent], child)
