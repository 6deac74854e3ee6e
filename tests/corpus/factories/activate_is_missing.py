# entry point: activate_is_missing:register
# not evaluable: `PluginSpec` can't be called like this: missing a required argument: 'activate'
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    return PluginSpec(name="lens")  # here
