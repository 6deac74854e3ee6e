# entry point: factory_with_arguments:register
# not evaluable: `_make` is called with arguments
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def _make(name):
    return PluginSpec(name=name, activate=activate)


def register():
    return [_make("a"), _make("b")]  # here
