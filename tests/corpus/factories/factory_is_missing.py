# entry point: factory_is_missing:register
# not evaluable: `register` isn't defined in `factory_is_missing`
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def registrar():
    return PluginSpec(name="lens", activate=activate)
