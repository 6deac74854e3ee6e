# entry point: acme_moved.plugins:register
# not evaluable: `__path__` may redirect the import of `acme_moved.plugins`
from coral_inference.runtime.plugins import PluginSpec


def register():
    return PluginSpec(name="old", activate=lambda config: True)
