# entry point: module_handed_on:register
# not evaluable: `__name__` is passed to code that may change this module
import importlib

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


NAME = "lens"
importlib.import_module(__name__).other = 1  # here


def register():
    return PluginSpec(name=NAME, activate=activate)
