# entry point: spec_changed_at_module_level:plugin
# not evaluable: `.min_core_version` is changed before the spec is known
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


plugin = PluginSpec(name="lens", activate=activate)
plugin.min_core_version = "2.0"  # here
