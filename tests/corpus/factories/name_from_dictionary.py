# entry point: name_from_dictionary:register
# not evaluable: it depends on a subscript
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


META = {"name": "lens"}


def register():
    return PluginSpec(name=META["name"], activate=activate)  # here
