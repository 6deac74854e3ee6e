# entry point: class_with_fallback:register
# not evaluable: `PluginSpec` is assigned more than once or under a condition

try:
    from coral_inference.runtime.plugins import PluginSpec  # here
except ImportError:
    PluginSpec = None


def register():
    return PluginSpec(name="lens", activate=lambda config: True)
