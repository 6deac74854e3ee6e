# entry point: fstring_of_constants:register
# plugin: {"name": "acme_v2", "description": "Acme's plugin, {beta}", "min_core_version": "0.4"}
from coral_inference.runtime.plugins import PluginSpec

MAJOR, VENDOR = 2, "ignored"
GENERATION = 2
VENDOR_NAME = "acme"
MINOR = 4


def activate(config):
    return True


def register():
    return PluginSpec(
        name=f"{VENDOR_NAME}_v{GENERATION}",
        activate=activate,
        description=f"Acme's plugin, {{beta}}",
        min_core_version=f"0.{MINOR!s}",
    )
