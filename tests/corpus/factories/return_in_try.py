# entry point: return_in_try:register
# not evaluable: `register` may end or pause before its last statement
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    try:
        return PluginSpec(name="lens", activate=activate)  # here
    except TypeError:
        return PluginSpec("lens_old", activate)
