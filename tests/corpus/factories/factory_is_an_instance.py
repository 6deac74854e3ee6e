# entry point: factory_is_an_instance:plugin
# not evaluable: `Plugin` is a class
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


class Plugin:  # here
    name = "lens"
    description = ""

    def activate(self, config):
        return True


plugin = Plugin()
