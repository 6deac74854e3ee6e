# entry point: keyword_arguments_unpacked:register
# not evaluable: `PluginSpec` is called with `**`
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


COMMON = {"min_core_version": "0.0.4"}


def register():
    return PluginSpec(
        name="lens",
        activate=activate,
        **COMMON,  # here
    )
