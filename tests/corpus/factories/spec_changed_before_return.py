# entry point: spec_changed_before_return:register
# not evaluable: `.name` is changed before the spec is known
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    spec = PluginSpec(name="draft", activate=activate)
    spec.name = "final"  # here
    return spec
