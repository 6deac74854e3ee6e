# entry point: import_with_fallback:register
# plugin: {"name": "fallback"}
try:
    from coral_inference.runtime.plugins import PluginSpec
except ImportError:
    from coral_lock import PluginSpec


def activate(config):
    return True


def register():
    return PluginSpec(name="fallback", activate=activate)
