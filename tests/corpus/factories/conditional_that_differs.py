# entry point: conditional_that_differs:register
# not evaluable: it depends on `'lens_debug' if DEBUG else 'lens'`
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


DEBUG = False


def register():
    return PluginSpec(name="lens_debug" if DEBUG else "lens", activate=activate)  # here
