# entry point: acme_space.vision.plugins:register
# plugin: {"name": "spacious"}
from coral_inference.runtime.plugins import PluginSpec

from ..vision.names import NAME


def activate(config):
    return True


def register():
    return PluginSpec(name=NAME, activate=activate)
