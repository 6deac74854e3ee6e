# entry point: branches_that_agree:register
# plugin: {"name": "preview", "description": "Show a window"}
import sys

from coral_inference.runtime.plugins import PluginSpec

DESCRIPTION = "Show a window"


def register():
    if sys.platform.startswith("linux"):

        def activate(config):
            return True

        return PluginSpec(name="preview", activate=activate, description=DESCRIPTION)
    else:

        def activate(config):
            return False

        return PluginSpec("preview", activate, "Show a " + "window")
