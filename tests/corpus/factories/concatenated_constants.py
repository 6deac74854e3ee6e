# entry point: concatenated_constants:register
# plugin: {"name": "acme_crop", "description": "Crop: cut the borders of frames"}
from coral_inference.runtime.plugins import PluginSpec

VENDOR = "acme"
PREFIX = VENDOR + "_"


def activate(config):
    return True


def register():
    return PluginSpec(
        name=PREFIX + "crop",
        activate=activate,
        description="Crop: " + ("cut the borders " "of frames"),
    )
