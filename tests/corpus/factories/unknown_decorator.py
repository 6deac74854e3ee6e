# entry point: unknown_decorator:register
# not evaluable: a decorator may change `register`
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def plugin(function):
    return lambda: PluginSpec(name="acme_" + function.__name__, activate=activate)


@plugin  # here
def register():
    return PluginSpec(name="lens", activate=activate)
