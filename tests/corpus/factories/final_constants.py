# entry point: final_constants:register
# plugin: {"name": "hdr", "min_core_version": "1.0"}
from typing import Final, Optional

from coral_inference.runtime.plugins import PluginSpec

PLUGIN_NAME: Final[str] = "hdr"
MIN_CORE: Final = "1.0"
MIN_INFERENCE: Optional[str] = None


def activate(config) -> bool:
    return True


def register() -> PluginSpec:
    return PluginSpec(PLUGIN_NAME, activate, "", MIN_CORE, MIN_INFERENCE)
