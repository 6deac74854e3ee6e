# entry point: acme_night.plugins:register
# plugin: {"name": "night", "description": "Night vision for cameras"}
from acme_night.about import SUMMARY
from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    return PluginSpec(name="night", activate=activate, description=SUMMARY)
