# entry point: branches_that_differ:register
# not evaluable: `register` may end or pause before its last statement
import sys

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    if sys.maxsize > 2**32:
        return PluginSpec(name="wide", activate=activate)  # here
    else:
        return PluginSpec(name="narrow", activate=activate)
