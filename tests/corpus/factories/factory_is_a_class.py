# entry point: factory_is_a_class:Plugin
# not evaluable: `Plugin` is a class
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


class Plugin:  # here
    name = "lens"

    def activate(self, config):
        return True
