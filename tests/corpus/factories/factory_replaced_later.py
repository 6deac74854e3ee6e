# entry point: factory_replaced_later:register
# not evaluable: `register` is assigned more than once or under a condition
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    return PluginSpec(name="lens", activate=activate)


register = (lambda inner: lambda: [inner()])(register)  # here
