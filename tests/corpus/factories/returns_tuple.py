# entry point: returns_tuple:register
# plugin: {"name": "left"}
# plugin: {"name": "right"}
from coral_inference.runtime.plugins import PluginSpec


def register():
    def activate(config):
        return True

    return PluginSpec("left", activate), PluginSpec("right", activate)
