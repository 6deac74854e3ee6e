# entry point: constant_deleted:register
# not evaluable: `NAME` is assigned more than once or under a condition
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


NAME = "lens"


def register():
    return PluginSpec(name=NAME, activate=activate)


del NAME  # here
