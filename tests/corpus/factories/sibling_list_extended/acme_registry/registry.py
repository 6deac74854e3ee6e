from coral_inference.runtime.plugins import PluginSpec

PLUGINS = [PluginSpec(name="lens", activate=lambda config: True)]
