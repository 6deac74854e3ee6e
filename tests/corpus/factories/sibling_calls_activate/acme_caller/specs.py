from coral_inference.runtime.plugins import PluginSpec


def _change(config):
    plugin.description = "changed"
    return True


plugin = PluginSpec(name="lens", activate=_change)
other = PluginSpec(name="other", activate=_change)
