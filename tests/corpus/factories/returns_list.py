# entry point: returns_list:register_all
# plugin: {"name": "a", "description": "First"}
# plugin: {"name": "b", "description": "Second"}
from typing import List

from coral_inference.runtime.plugins import PluginSpec


def _activate_a(config):
    return True


def _activate_b(config):
    return True


def register_all() -> List[PluginSpec]:
    return [
        PluginSpec(name="a", activate=_activate_a, description="First"),
        PluginSpec(name="b", activate=_activate_b, description="Second"),
    ]
