# entry point: spec_reinitialised:register
# not evaluable: `spec` is used where it may be changed
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    spec = PluginSpec(name="lens", activate=activate)
    spec.__init__("other", activate)  # here
    return spec
