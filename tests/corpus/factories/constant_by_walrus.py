# entry point: constant_by_walrus:register
# not evaluable: `NAME` is assigned more than once or under a condition
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


print(NAME := "lens")  # here


def register():
    return PluginSpec(name=NAME, activate=activate)
