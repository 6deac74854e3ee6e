# entry point: executed_text:register
# not evaluable: `exec` can change what names stand for
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


NAME = "lens"
exec("NAME = 'other'")  # here


def register():
    return PluginSpec(name=NAME, activate=activate)
