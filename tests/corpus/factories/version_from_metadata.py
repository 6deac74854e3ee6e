# entry point: version_from_metadata:register
# not evaluable: it depends on a call of `version`
from importlib.metadata import version

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


CORE = version("coral-inference")  # here


def register():
    return PluginSpec(name="follower", activate=activate, min_core_version=CORE)
