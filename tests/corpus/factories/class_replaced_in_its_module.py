# entry point: class_replaced_in_its_module:register
# not evaluable: `.PluginSpec` is changed before the spec is known
from coral_inference.runtime import plugins


def activate(config):
    return True


class Other(plugins.PluginSpec):
    pass


plugins.PluginSpec = Other  # here


def register():
    return plugins.PluginSpec(name="lens", activate=activate)
