# entry point: class_subclassed:register
# not evaluable: `AcmeSpec` is a class
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


class AcmeSpec(PluginSpec):  # here
    def __init__(self, name):
        super().__init__(name="acme_" + name, activate=activate)


def register():
    return AcmeSpec("lens")
