# entry point: wrong_name_type:register
# wrong: `name` isn't a plugin name: 7
from coral_inference.runtime.plugins import PluginSpec


def register():
    return PluginSpec(name=7, activate=lambda config: True)
