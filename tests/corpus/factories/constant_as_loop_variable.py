# entry point: constant_as_loop_variable:register
# not evaluable: `NAME` is assigned more than once or under a condition
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


for NAME in ("a", "b"):  # here
    pass


def register():
    return PluginSpec(name=NAME, activate=activate)
