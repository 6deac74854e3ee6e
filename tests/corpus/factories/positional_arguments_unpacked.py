# entry point: positional_arguments_unpacked:register
# not evaluable: `PluginSpec` can't be called like this: missing a required argument: 'activate'
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


ARGUMENTS = ("lens", activate)


def register():
    return PluginSpec(*ARGUMENTS)  # here
