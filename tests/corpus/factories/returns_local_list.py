# entry point: returns_local_list:register
# plugin: {"name": "fast"}
# plugin: {"name": "exact"}
from coral_inference.runtime.plugins import PluginSpec


def register():
    def activate(config):
        return True

    fast = PluginSpec(name="fast", activate=activate)
    exact = PluginSpec(name="exact", activate=activate)
    specs = [fast, exact]
    return specs
