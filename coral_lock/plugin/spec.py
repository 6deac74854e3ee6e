"""What an entry point yields: a `PluginSpec`, or a `BackendAdapter` for a backend.

The attributes and their order are those of the runtime's own classes, so that a plugin
written for one works with the other.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class PluginSpec:
    """A patch or workflow plugin.

    Args:
        name: the plugin's name; its id is `<group>:<name>`.
        activate: takes the `RuntimeConfig`, returns True or False, or raises.
        description: one line for people.
        min_core_version: the lowest version (PEP 440) of `coral-inference` it works with.
        min_inference_version: the lowest version (PEP 440) of `inference` it works with.
    """

    def __init__(
        self,
        name: str,
        activate: Callable[[Any], bool],
        description: str = "",
        min_core_version: str | None = None,
        min_inference_version: str | None = None,
    ) -> None:
        self.name = name
        self.activate = activate
        self.description = description
        self.min_core_version = min_core_version
        self.min_inference_version = min_inference_version

    def to_dict(self) -> dict[str, str | None]:
        """Return what can be said of the plugin without running it."""
        return {
            "name": self.name,
            "description": self.description,
            "min_core_version": self.min_core_version,
            "min_inference_version": self.min_inference_version,
        }

    def __repr__(self) -> str:
        return f"PluginSpec(name={self.name!r})"


class BackendAdapter:
    """A backend plugin, activated only where `supports` says so.

    Args:
        name: the plugin's name; its id is `backends:<name>`.
        supports: takes the platform's name and the `RuntimeConfig`, returns True or False.
        activate: takes the same, returns True or False, or raises.
    """

    def __init__(
        self,
        name: str,
        supports: Callable[[str, Any], bool],
        activate: Callable[[str, Any], bool],
    ) -> None:
        self.name = name
        self.supports = supports
        self.activate = activate

    def __repr__(self) -> str:
        return f"BackendAdapter(name={self.name!r})"
