# entry point: search_path_extended:register
# not evaluable: `sys.path` may redirect imports
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "vendor"))  # here

from coral_inference.runtime.plugins import PluginSpec


def activate(config):
    return True


def register():
    return PluginSpec(name="lens", activate=activate)
