"""The host's module, for loaders that don't serve one."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class PluginSpec:
    def __init__(
        self,
        name: str,
        activate: Callable[[Any], object],
        description: str = "",
        min_core_version: str | None = None,
        min_inference_version: str | None = None,
    ) -> None:
        self.name = name
        self.activate = activate
        self.description = description
        self.min_core_version = min_core_version
        self.min_inference_version = min_inference_version
