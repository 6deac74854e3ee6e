# entry point: factory_is_partial:register
# not evaluable: it depends on a call of `functools.partial`
import functools

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def _make(name):
    return PluginSpec(name=name, activate=activate)


register = functools.partial(_make, "lens")  # here
