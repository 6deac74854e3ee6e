# entry point: star_import_of_the_class:register
# not evaluable: it depends on a call of `PluginSpec`
from coral_inference.runtime.plugins import *


def register():
    return PluginSpec(name="lens", activate=lambda config: True)  # here
