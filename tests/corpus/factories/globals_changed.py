# entry point: globals_changed:register
# not evaluable: `globals` can change what names stand for
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


NAME = "lens"


def _load():
    globals().update(NAME="other")  # here


_load()


def register():
    return PluginSpec(name=NAME, activate=activate)
