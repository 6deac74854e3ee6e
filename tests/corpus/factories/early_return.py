# entry point: early_return:register
# not evaluable: `register` may end or pause before its last statement
import sys

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    if sys.platform == "win32":
        return PluginSpec(name="lens", activate=activate, description="on Windows")  # here
    return PluginSpec(name="lens", activate=activate)
