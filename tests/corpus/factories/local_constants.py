# entry point: local_constants:register
# plugin: {"name": "zoom", "description": "Digital zoom"}
from coral_inference.runtime.plugins import PluginSpec


def register():
    name = "zoom"
    description: str = "Digital zoom"

    def activate(config):
        return True

    return PluginSpec(name=name, activate=activate, description=description)
