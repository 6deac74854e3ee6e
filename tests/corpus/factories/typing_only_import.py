# entry point: typing_only_import:register
# plugin: {"name": "typed"}
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coral_inference.runtime.plugins import PluginSpec


def activate(config: object) -> bool:
    return True


def register() -> PluginSpec:
    from coral_inference.runtime.plugins import PluginSpec

    return PluginSpec(name="typed", activate=activate)
