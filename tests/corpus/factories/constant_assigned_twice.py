# entry point: constant_assigned_twice:register
# not evaluable: `NAME` is assigned more than once or under a condition
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


NAME = "lens"
NAME = "lens_pro"  # here


def register():
    return PluginSpec(name=NAME, activate=activate)
