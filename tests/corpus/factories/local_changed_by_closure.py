# entry point: local_changed_by_closure:register
# not evaluable: `name` is declared `nonlocal`
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    name = "lens"

    def rename():
        nonlocal name  # here
        name = "other"

    rename()
    return PluginSpec(name=name, activate=activate)
