# entry point: factory_calls_itself:register
# not evaluable: the source is nested too deep or refers to itself
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    return [PluginSpec(name="lens", activate=activate), register()]
