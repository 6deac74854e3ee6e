# entry point: branches_that_differ:register
# not evaluable: the branches return different things
import sys

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    if sys.maxsize > 2**32:  # here
        return PluginSpec(name="wide", activate=activate)
    else:
        return PluginSpec(name="narrow", activate=activate)
