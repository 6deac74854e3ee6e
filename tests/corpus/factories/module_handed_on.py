# entry point: module_handed_on:register
# not evaluable: `.import_module` can change what names stand for
import importlib

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


NAME = "lens"
importlib.import_module(__name__).other = 1  # here


def register():
    return PluginSpec(name=NAME, activate=activate)
