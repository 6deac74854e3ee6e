# entry point: branches_that_agree:register
# not evaluable: `register` may end or pause before its last statement
import sys

from coral_inference.runtime.plugins import PluginSpec

DESCRIPTION = "Show a window"


def register():
    if sys.platform.startswith("linux"):

        def activate(config):
            return True

        return PluginSpec(name="preview", activate=activate, description=DESCRIPTION)  # here
    else:

        def activate(config):
            return False

        return PluginSpec("preview", activate, "Show a " + "window")
