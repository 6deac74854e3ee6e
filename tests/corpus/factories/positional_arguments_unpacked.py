# entry point: positional_arguments_unpacked:register
# not evaluable: `PluginSpec` is called with `*`
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


ARGUMENTS = ("lens", activate)


def register():
    return PluginSpec(*ARGUMENTS)  # here
