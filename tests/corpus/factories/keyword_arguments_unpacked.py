# entry point: keyword_arguments_unpacked:register
# not evaluable: `PluginSpec` can't be called like this: got an unexpected keyword argument '**'
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


COMMON = {"min_core_version": "0.0.4"}


def register():
    return PluginSpec(  # here
        name="lens",
        activate=activate,
        **COMMON,
    )
