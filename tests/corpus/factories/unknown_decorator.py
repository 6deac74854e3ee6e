# entry point: unknown_decorator:register
# not evaluable: `register` is asynchronous, generic or decorated
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def plugin(function):
    return lambda: PluginSpec(name="acme_" + function.__name__, activate=activate)


@plugin
def register():  # here
    return PluginSpec(name="lens", activate=activate)
