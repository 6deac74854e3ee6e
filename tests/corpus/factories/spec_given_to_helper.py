# entry point: spec_given_to_helper:register
# not evaluable: `spec` is used where it may be changed
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def _decorate(what):
    object.__getattribute__(what, "to_dict")


def register():
    spec = PluginSpec(name="draft", activate=activate)
    _decorate(spec)  # here
    return spec
