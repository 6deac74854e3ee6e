# entry point: module_from_package:register
# plugin: {"name": "mosaic", "description": "Blur faces"}
from coral_inference.runtime import plugins


def register():
    def activate(config):
        import cv2

        return cv2 is not None

    return plugins.PluginSpec(name="mosaic", activate=activate, description="Blur faces")
