# entry point: fstring_of_constants:register
# not evaluable: it depends on `f'{VENDOR_NAME}_v{GENERATION}'`
from coral_inference.runtime.plugins import PluginSpec

MAJOR, VENDOR = 2, "ignored"
GENERATION = 2
VENDOR_NAME = "acme"
MINOR = 4


def activate(config):
    return True


def register():
    return PluginSpec(
        name=f"{VENDOR_NAME}_v{GENERATION}",  # here
        activate=activate,
        description=f"Acme's plugin, {{beta}}",
        min_core_version=f"0.{MINOR!s}",
    )
