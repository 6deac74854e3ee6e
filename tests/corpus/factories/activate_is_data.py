# entry point: activate_is_data:register
# not evaluable: a spec is given data where it needs a function
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    return PluginSpec(name="lens", activate=True)  # here
