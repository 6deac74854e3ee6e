# entry point: specs_appended:register
# not evaluable: `specs` is used where it may be changed
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    specs = [PluginSpec(name="a", activate=activate)]
    specs.append(PluginSpec(name="b", activate=activate))  # here
    return specs
