# entry point: module_constants:register
# plugin: {"name": "lowlight", "description": "Better pictures at night", "min_core_version": "0.0.4", "min_inference_version": "0.9.0"}
from coral_inference.runtime.plugins import PluginSpec

NAME = "lowlight"
DESCRIPTION = "Better pictures at night"
MIN_CORE = "0.0.4"
MIN_INFERENCE = "0.9.0"


def register():
    def activate(config):
        print(f"activating {NAME}")
        return True

    return PluginSpec(
        name=NAME,
        activate=activate,
        description=DESCRIPTION,
        min_core_version=MIN_CORE,
        min_inference_version=MIN_INFERENCE,
    )
