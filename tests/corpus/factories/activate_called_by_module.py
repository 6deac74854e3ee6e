# entry point: activate_called_by_module:plugin
# not evaluable: `.activate` may be called before the spec is known
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


plugin = PluginSpec(name="lens", activate=activate)


def _rename(config):
    plugin.description = "changed"
    return True


PluginSpec(name="helper", activate=_rename).activate(None)  # here
