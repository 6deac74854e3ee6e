# entry point: unknown_argument:register
# not evaluable: `PluginSpec` can't be called like this: got an unexpected keyword argument 'version'
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    return PluginSpec(  # here
        name="lens",
        activate=activate,
        version="1.0",
    )
