# entry point: star_import_after:register
# not evaluable: `import *` may rebind `PluginSpec`
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


NAME = "lens"

from os.path import *  # here


def register():
    return PluginSpec(name=NAME, activate=activate)
