# entry point: conditional_that_agrees:register
# plugin: {"name": "everywhere", "description": "Works everywhere"}
import sys

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    description = "Works everywhere" if sys.platform == "linux" else "Works everywhere"
    return PluginSpec(name="everywhere", activate=activate, description=description)
