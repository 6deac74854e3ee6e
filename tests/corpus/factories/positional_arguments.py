# entry point: positional_arguments:register
# plugin: {"name": "deblur", "description": "Sharpen moving objects", "min_core_version": "0.0.4"}
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    return PluginSpec("deblur", activate, "Sharpen moving objects", "0.0.4")
