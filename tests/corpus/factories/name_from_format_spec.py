# entry point: name_from_format_spec:register
# not evaluable: it depends on `f'camera_{NUMBER:02d}'`
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


NUMBER = 7


def register():
    return PluginSpec(name=f"camera_{NUMBER:02d}", activate=activate)  # here
