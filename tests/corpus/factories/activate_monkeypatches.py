# entry point: activate_monkeypatches:register
# plugin: {"name": "patcher", "description": "Replace the camera"}
import importlib

from coral_inference.runtime.plugins import PluginSpec

_TARGET = "inference.core.interfaces.camera"


def _patched(*args, **kwargs):
    return globals()["_TARGET"]


def activate(config):
    try:
        module = importlib.import_module(_TARGET)
    except ImportError:
        return False
    setattr(module, "VideoSource", _patched)
    module.__dict__["patched_by"] = __name__
    return True


def register():
    return PluginSpec(name="patcher", activate=activate, description="Replace the camera")
