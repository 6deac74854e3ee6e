# entry point: constant_read_too_early:plugin
# not evaluable: `NAME` is read before it is defined
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


plugin = PluginSpec(name=NAME, activate=activate)
NAME = "lens"  # here
