# entry point: factory_calls_itself:register
# not evaluable: `register` calls itself
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():  # here
    return [PluginSpec(name="lens", activate=activate), register()]
