"""Serves `coral_inference.runtime.plugins` and `.backends` where the real ones can't be found.

A finder at the end of `sys.meta_path` is asked only after every other finder has failed,
so the real modules always win. It serves nothing else: `import coral_inference.core`
fails as it would without it.
"""

from __future__ import annotations

import sys

from coral_lock.plugin.spec import BackendAdapter, PluginSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

ModuleSpecType = type(sys.__spec__)

_CONTENTS: dict[str, dict[str, object]] = {
    "coral_inference": {},
    "coral_inference.runtime": {},
    "coral_inference.runtime.plugins": {"PluginSpec": PluginSpec},
    "coral_inference.runtime.backends": {"BackendAdapter": BackendAdapter},
}


class RuntimeShim:
    """Finder and loader of the stand-in modules (the protocol of PEP 451)."""

    is_coral_lock = True

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _CONTENTS:
            return None
        is_package = any(other.startswith(f"{name}.") for other in _CONTENTS)
        return ModuleSpecType(
            name,
            self,  # type: ignore[arg-type]
            origin="coral-lock",
            is_package=is_package,
        )

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__.update(_CONTENTS[module.__name__])
        module.__doc__ = "Served by coral-lock, as the real module isn't installed."


def install_shim() -> None:
    """Make the stand-in modules importable, behind everything that is installed."""
    if not any(isinstance(finder, RuntimeShim) for finder in sys.meta_path):
        sys.meta_path.append(RuntimeShim())
