# entry point: empty_strings_and_none:register
# plugin: {"name": "plain"}
from coral_inference.runtime.plugins import PluginSpec


def register():
    return PluginSpec(
        name="plain",
        activate=lambda config: True,
        description="",
        min_core_version=None,
        min_inference_version="",
    )
