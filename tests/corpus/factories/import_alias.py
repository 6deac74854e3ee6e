# entry point: import_alias:register
# plugin: {"name": "roi"}
from coral_inference.runtime.plugins import PluginSpec as Spec


def register():
    return Spec(name="roi", activate=lambda config: True)
