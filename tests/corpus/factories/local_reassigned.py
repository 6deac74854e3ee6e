# entry point: local_reassigned:register
# not evaluable: `name` is assigned more than once or under a condition
import sys

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    name = "lens"
    if sys.argv:
        name = "lens_cli"  # here
    return PluginSpec(name=name, activate=activate)
