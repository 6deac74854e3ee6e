# entry point: acme_self.plugins:register
# plugin: {"name": "lens"}
from coral_inference.runtime.plugins import PluginSpec

NAMES = ["lens"]


def register():
    from . import plugins

    plugins.NAMES.clear()
    return PluginSpec(name="lens", activate=lambda config: True)
