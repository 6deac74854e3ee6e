# entry point: module_level_call:plugin
# plugin: {"name": "eager"}
from coral_inference.runtime.plugins import PluginSpec

NAME = "eager"


def _make():
    return PluginSpec(name=NAME, activate=lambda config: True)


plugin = _make()
