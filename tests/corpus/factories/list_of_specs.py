# entry point: list_of_specs:specs
# plugin: {"name": "day"}
# plugin: {"name": "night"}
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


specs = [
    PluginSpec(name="day", activate=activate),
    PluginSpec(name="night", activate=activate),
]
