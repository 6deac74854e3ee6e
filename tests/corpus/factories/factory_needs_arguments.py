# entry point: factory_needs_arguments:register
# not evaluable: it is a function that needs more than one argument
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register(registry, config):
    registry.add(PluginSpec(name="lens", activate=activate))
