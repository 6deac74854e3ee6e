# entry point: branches_that_differ:register
# not evaluable: `return` may end or suspend the factory here
import sys

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    if sys.maxsize > 2**32:
        return PluginSpec(name="wide", activate=activate)  # here
    else:
        return PluginSpec(name="narrow", activate=activate)
