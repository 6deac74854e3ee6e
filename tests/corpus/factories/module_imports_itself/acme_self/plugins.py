# entry point: acme_self.plugins:register
# not evaluable: the module imports itself
from coral_inference.runtime.plugins import PluginSpec

NAMES = ["lens"]


def register():
    from . import plugins  # here

    plugins.NAMES.clear()
    return PluginSpec(name="lens", activate=lambda config: True)
