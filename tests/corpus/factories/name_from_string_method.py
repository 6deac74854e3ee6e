# entry point: name_from_string_method:register
# not evaluable: it depends on `'LensCorrection'.lower`
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    return PluginSpec(name="LensCorrection".lower(), activate=activate)  # here
