# entry point: module_getattr:register
# not evaluable: `__getattr__` changes how names of the module are found
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def __getattr__(name):  # here
    if name == "register":
        return lambda: PluginSpec(name="lens", activate=activate)
    raise AttributeError(name)
