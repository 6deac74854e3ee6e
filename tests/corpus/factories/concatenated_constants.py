# entry point: concatenated_constants:register
# not evaluable: it depends on `PREFIX + 'crop'`
from coral_inference.runtime.plugins import PluginSpec

VENDOR = "acme"
PREFIX = VENDOR + "_"


def activate(config):
    return True


def register():
    return PluginSpec(
        name=PREFIX + "crop",  # here
        activate=activate,
        description="Crop: " + ("cut the borders " "of frames"),
    )
