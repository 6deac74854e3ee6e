# entry point: spec_changed_by_called_function:plugin
# not evaluable: `.name` is changed before the spec is known
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


plugin = PluginSpec(name="lens", activate=activate)


def _rename():
    plugin.name = "other"  # here


_rename()
