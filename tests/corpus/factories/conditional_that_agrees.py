# entry point: conditional_that_agrees:register
# not evaluable: it depends on `'Works everywhere' if sys.platform == 'linux' else 'Works ev…`
import sys

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    description = "Works everywhere" if sys.platform == "linux" else "Works everywhere"  # here
    return PluginSpec(name="everywhere", activate=activate, description=description)
