# entry point: constant_of_another_package:register
# not evaluable: `click.__version__` comes from another package
from click import __version__

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    return PluginSpec(name="lens", activate=activate, min_core_version=__version__)  # here
