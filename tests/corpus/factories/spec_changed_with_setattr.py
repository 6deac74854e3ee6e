# entry point: spec_changed_with_setattr:register
# not evaluable: `setattr` can change what names stand for
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    spec = PluginSpec(name="draft", activate=activate)
    setattr(spec, "name", "final")  # here
    return spec
