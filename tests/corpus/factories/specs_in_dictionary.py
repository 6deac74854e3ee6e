# entry point: specs_in_dictionary:PLUGINS
# not evaluable: it depends on `{'a': PluginSpec(name='a', activate=activate)}`
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


PLUGINS = {  # here
    "a": PluginSpec(name="a", activate=activate),
}
