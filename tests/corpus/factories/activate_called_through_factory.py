# entry point: activate_called_through_factory:register
# not evaluable: `.activate` may be called before the spec is known
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    return [plugin, _make()]


def _make():
    def activate(config):
        plugin.description = "changed"
        return True

    return PluginSpec(name="helper", activate=activate)


plugin = PluginSpec(name="lens", activate=activate)
_make().activate(None)  # here
