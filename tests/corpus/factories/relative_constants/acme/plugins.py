# entry point: acme.plugins:register
# plugin: {"name": "denoise", "min_core_version": "0.0.4"}
from coral_inference.runtime.plugins import PluginSpec

from .constants import MIN_CORE
from .constants import NAME as _NAME


def activate(config):
    return True


def register():
    return PluginSpec(name=_NAME, activate=activate, min_core_version=MIN_CORE)
