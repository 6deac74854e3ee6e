# entry point: star_import_of_the_class:register
# not evaluable: `PluginSpec` isn't defined in `star_import_of_the_class`
from coral_inference.runtime.plugins import *


def register():
    return PluginSpec(name="lens", activate=lambda config: True)  # here
