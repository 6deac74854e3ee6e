# entry point: specs_in_set:register
# not evaluable: it depends on `{PluginSpec('a', activate), PluginSpec('b', activate)}`
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    return {PluginSpec("a", activate), PluginSpec("b", activate)}  # here
