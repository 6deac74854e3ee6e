# entry point: asynchronous_factory:register
# not evaluable: `register` is asynchronous, generic or decorated
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


async def register():  # here
    return PluginSpec(name="lens", activate=activate)
