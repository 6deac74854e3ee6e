# entry point: module_alias:register
# plugin: {"name": "tracker", "description": "Track objects"}
import coral_inference.runtime.plugins as plugins


def _activate(config):
    return True


def register() -> "plugins.PluginSpec":
    return plugins.PluginSpec("tracker", _activate, description="Track objects")
