# entry point: activate_is_partial:register
# plugin: {"name": "strong"}
from functools import partial

from coral_inference.runtime.plugins import PluginSpec


def _activate(config, strength):
    return strength > 0


def register():
    return PluginSpec(name="strong", activate=partial(_activate, strength=3))
