# entry point: constant_changed_by_function:register
# not evaluable: `NAME` is declared `global`
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


NAME = "lens"


def _rename():
    global NAME  # here
    NAME = "other"


_rename()


def register():
    return PluginSpec(name=NAME, activate=activate)
