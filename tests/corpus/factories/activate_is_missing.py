# entry point: activate_is_missing:register
# not evaluable: `PluginSpec` is called without `activate`
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    return PluginSpec(name="lens")  # here
