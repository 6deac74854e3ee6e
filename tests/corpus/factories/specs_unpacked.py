# entry point: specs_unpacked:register
# not evaluable: it depends on `*BASE`
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


BASE = [PluginSpec(name="a", activate=activate)]


def register():
    return [*BASE, PluginSpec(name="b", activate=activate)]  # here
