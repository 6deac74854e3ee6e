# entry point: documented_factory:register_camera_stabilizer
# plugin: {"name": "camera_stabilizer", "description": "Improve camera stream stability", "min_core_version": "0.0.4", "min_inference_version": "0.9.0"}
from coral_inference.runtime.plugins import PluginSpec

def register_camera_stabilizer():
    def activate(config):
        return True
    return PluginSpec(name="camera_stabilizer", activate=activate,
                      description="Improve camera stream stability",
                      min_core_version="0.0.4", min_inference_version="0.9.0")
