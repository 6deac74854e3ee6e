# entry point: activate_by_platform:register
# plugin: {"name": "accelerated"}
import platform

from coral_inference.runtime.plugins import PluginSpec

if platform.machine() == "aarch64":

    def _activate(config):
        return True

else:

    def _activate(config):
        return False


def register():
    return PluginSpec(name="accelerated", activate=_activate)
