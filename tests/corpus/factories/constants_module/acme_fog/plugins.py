# entry point: acme_fog.plugins:register
# plugin: {"name": "fog", "min_core_version": "0.0.4", "min_inference_version": "0.9.0"}
from coral_inference.runtime.plugins import PluginSpec

from . import versions


def activate(config):
    return True


def register():
    return PluginSpec(
        name="fog",
        activate=activate,
        min_core_version=versions.CORE,
        min_inference_version=versions.INFERENCE,
    )
