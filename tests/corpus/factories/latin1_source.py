# -*- coding: latin-1 -*-
# entry point: latin1_source:register
# plugin: {"name": "m\u00fcnchen", "description": "Gr\u00fc\u00dfe"}
from coral_inference.runtime.plugins import PluginSpec


def register():
    return PluginSpec(name="münchen", activate=lambda config: True, description="Grüße")
