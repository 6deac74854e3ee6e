# entry point: list_shared_by_two_names:plugins
# not evaluable: `plugins` shares its value with another name
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


plugins = registry = [PluginSpec(name="lens", activate=activate)]  # here
registry.append(PluginSpec(name="more", activate=activate))
